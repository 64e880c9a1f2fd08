/** What is told of a text that is refused: where, which word, why, and what may stand there. */
export class Misread extends Error {
  readonly line: number
  /** from 1 on */
  readonly column: number
  readonly word: string
  readonly why: string
  readonly remedy: string

  constructor(line: number, column: number, word: string, why: string, remedy: string) {
    const shown = brief(word)
    super(`line ${line}, column ${column}: ${shown === '' ? 'end of line' : shown}: ${why}; ${remedy}`)
    this.name = 'Misread'
    this.line = line
    this.column = column
    this.word = word
    this.why = why
    this.remedy = remedy
  }
}

/** A word from anywhere, fit for one line of a terminal. */
function brief(word: string): string {
  const plain = word.replace(/[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]/g, '?')
  return plain.length > 60 ? `${plain.slice(0, 57)}...` : plain
}
