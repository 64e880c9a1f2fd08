/** One line of a text, cut into words, and how to complain of it. */
import { Misread } from './misread.ts'
import type { Word } from './words.ts'

export class Line {
  readonly number: number
  readonly words: Word[]
  private readonly length: number

  constructor(number: number, length: number, words: Word[]) {
    this.number = number
    this.length = length
    this.words = words
  }

  /** A refusal of the word, of the line's end if it is null. */
  wrong(word: Word | null, why: string, remedy: string): Misread {
    const text = word === null ? '' : word.text || '""'
    return new Misread(this.number, word?.column ?? this.length + 1, text, why, remedy)
  }

  /** The word at a position, which must be there. */
  word(at: number, why: string): Word {
    const word = this.words[at]
    if (word) return word
    throw this.wrong(null, why, 'add it')
  }

  /** Refuses words from `at` on. */
  nothing(at: number): void {
    if (this.words.length > at)
      throw this.wrong(this.words[at], 'is one word too many', 'end the line before it')
  }
}
