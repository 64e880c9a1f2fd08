/** Words of a line, as iptables-restore cuts it: blanks part words, double quotes hold them together, and inside of quotes `\` takes the next character as it is. */

export interface Word {
  text: string
  /** of its first character (the quote, if it is quoted), from 1 on */
  column: number
  quoted: boolean
}

const QUOTE = 0x22

/** A blank, a tab, or the CR of a text from elsewhere. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d
}

/**
 * The words of a line, from the given offset on. A quote may open within a word and ends it when it closes; `open` is the column of one that
 * nothing closes, else 0.
 */
export function split(line: string, from = 0): { words: Word[]; open: number } {
  const words: Word[] = []
  let at = from
  while (at < line.length) {
    if (isBlank(line.charCodeAt(at))) {
      at++
      continue
    }
    const begin = at
    let code = line.charCodeAt(at)
    while (at < line.length && code !== QUOTE && !isBlank(code)) code = line.charCodeAt(++at)
    let text = line.slice(begin, at)
    const quoted = code === QUOTE
    if (quoted) {
      const end = closing(line, at + 1)
      if (end < 0) return { words, open: at + 1 }
      const inside = line.slice(at + 1, end)
      text += inside.includes('\\') ? inside.replace(/\\(.)/g, '$1') : inside
      at = end + 1
    }
    words.push({ text, column: begin + 1, quoted })
  }
  return { words, open: 0 }
}

/** Where the quote closes that opened before `at`, -1 if nowhere. */
function closing(line: string, at: number): number {
  for (let i = at; i < line.length; i++) {
    if (line[i] === '"') return i
    if (line[i] === '\\') i++
  }
  return -1
}

/** A string as iptables-save prints it: in double quotes unless it is made of letters, digits, `_` and `-`. */
export function quote(text: string): string {
  return /^[\w-]+$/.test(text) ? text : `"${text.replace(/["\\']/g, '\\$&')}"`
}
