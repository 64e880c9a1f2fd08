/** Source files as the style test sees them: text, syntax tree, functions. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAst } from 'vitest/node'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** A node of the ESTree that vitest's parser makes of TypeScript. */
export interface Node {
  type: string
  start: number
  end: number
  [key: string]: unknown
}

export interface Source {
  /** relative to the package */
  path: string
  text: string
  tree: Node
}

export function parse(path: string, text: string): Source {
  const tree = parseAst(text, { lang: 'ts' } as never) as unknown as Node
  return { path, text, tree }
}

/** All TypeScript files below the folders. */
export function sources(...folders: string[]): Source[] {
  return folders
    .flatMap((folder) => files(join(root, folder)))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => parse(relative(root, path), readFileSync(path, 'utf8')))
}

/** All files below a folder, or the file itself. */
export function files(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path).flatMap((name) => files(join(path, name)))
}

/** The 1-based line of an offset. */
export function lineOf(source: Source, offset: number): number {
  return source.text.slice(0, offset).split('\n').length
}

/** Calls `visit` for a node and everything below it, with the nodes that enclose it, outermost first. */
export function walk(node: Node, visit: (node: Node, parents: Node[]) => void, parents: Node[] = []): void {
  visit(node, parents)
  const below = [...parents, node]
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child === 'object' && typeof child.type === 'string')
        walk(child as Node, visit, below)
    }
  }
}

export function isFunction(node: Node): boolean {
  return (
    /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type) && node.body !== null
  )
}
