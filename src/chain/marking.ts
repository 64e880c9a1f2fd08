/** How rules change a mark, the packet's and the flow's alike: the bits of `mask` are cleared, then those of `value` turned over. */
import { Wrong } from './extension.ts'
import { integer, marking } from './number.ts'

export interface Change {
  /** both from 0 to 2 ** 32 - 1 */
  value: number
  mask: number
}

export const options = {
  '--set-xmark': { words: 1 },
  '--set-mark': { words: 1 },
  '--and-mark': { words: 1 },
  '--or-mark': { words: 1 },
  '--xor-mark': { words: 1 },
}

const ALL = 0xffffffff

/** What one of the options says, null if it is none of them. */
export function change(option: string, word: string): Change | null {
  if (option === '--set-xmark') return marking(word)
  if (option === '--set-mark') {
    const { value, mask } = marking(word)
    return { value, mask: (value | mask) >>> 0 }
  }
  if (!(option in options)) return null
  const bits = integer(word, 0, ALL)
  if (option === '--and-mark') return { value: 0, mask: ~bits >>> 0 }
  return { value: bits, mask: option === '--or-mark' ? bits : 0 }
}

/** An expression for what `mark`, an expression, becomes. */
export function changed(mark: string, { value, mask }: Change): string {
  return `(${mark}&${~mask})^${value | 0}`
}

export function twice(): Wrong {
  return new Wrong('stands beside another option that says what becomes of the mark', 0)
}
