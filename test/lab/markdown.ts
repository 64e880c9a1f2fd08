/** A Markdown document as tests read it: fenced blocks, tables, inline code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../style/source.ts'

export class Markdown {
  readonly text: string

  /** `name` is relative to the repository. */
  constructor(name: string) {
    this.text = readFileSync(join(root, name), 'utf8')
  }

  /** Contents of the fenced blocks of one language. */
  fenced(language: string): string[] {
    return [...this.text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
      .filter(([, name]) => name === language)
      .map(([, , body = '']) => body)
  }

  /** The rows of the table whose heading begins with `title`, cell by cell; [] when there is none. */
  table(title: string): string[][] {
    const lines = this.text.split('\n')
    const begin = lines.findIndex((line) => line.startsWith(`| ${title} |`))
    if (begin < 0) return []
    const rows = lines.slice(begin + 2)
    const end = rows.findIndex((line) => !line.startsWith('|'))
    const cells = (line: string) => line.replace(/^\||\|$/g, '').split('|')
    return rows.slice(0, end).map((line) => cells(line).map((cell) => cell.trim()))
  }

  /** All inline code outside of fenced blocks. */
  code(): string[] {
    return codes(this.text.replace(/^```\w+\n[\s\S]*?^```$/gm, ''))
  }

  /** The inline code of the sentence part that `pattern` captures; fails when the document does not have it. */
  listed(pattern: RegExp): string[] {
    const match = pattern.exec(this.text)
    if (!match) throw new Error(`the document has no ${pattern}`)
    return codes(match[1] ?? '')
  }
}

/** The inline code of a text. */
export function codes(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
}
