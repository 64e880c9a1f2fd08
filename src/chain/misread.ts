/** What is told of a text that is refused: where, which word, why, and what may stand there. */
export class Misread extends Error {
  readonly line: number
  /** from 1 on */
  readonly column: number
  readonly word: string
  readonly why: string
  readonly remedy: string

  constructor(line: number, column: number, word: string, why: string, remedy: string) {
    const shown = word === '' ? 'end of line' : brief(word)
    super(`line ${line}, column ${column}: ${shown}: ${plain(why)}; ${plain(remedy)}`)
    this.name = 'Misread'
    this.line = line
    this.column = column
    this.word = word
    this.why = why
    this.remedy = remedy
  }
}

/** A word from anywhere, short enough for one line of a terminal. */
export function brief(word: string): string {
  const text = plain(word)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** A text without what a terminal might obey. */
function plain(text: string): string {
  return text.replace(/[\p{C}\u2028\u2029]/gu, '?')
}
