/** MAC addresses as text: six hexadecimal bytes, colons between them. Cold code only. */

export interface Mac {
  /** first 16 bits */
  high: number
  /** last 32 bits, an int32 */
  low: number
}

/** Parses `52:54:00:12:34:56`; null if it is none. */
export function parse(text: string): Mac | null {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return null
  const digits = text.replaceAll(':', '')
  return { high: Number.parseInt(digits.slice(0, 4), 16), low: Number.parseInt(digits.slice(4), 16) | 0 }
}

export function print(high: number, low: number): string {
  const digits = high.toString(16).padStart(4, '0') + (low >>> 0).toString(16).padStart(8, '0')
  return digits.match(/../g)!.join(':')
}
