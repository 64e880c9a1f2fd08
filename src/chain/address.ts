/** Addresses and prefixes as rules write them. */
import { Wrong } from './extension.ts'

export interface Net {
  /** int32, its bits outside of the mask are 0 */
  address: number
  mask: number
}

const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/** One to four decimal bytes, those that are missing being 0, as iptables reads them; int32. */
export function parseAddress(text: string, word = 1): number {
  let address = 0
  let byte = 0
  let digits = 0
  let bytes = 0
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT
    if (code === DOT) {
      if (digits === 0 || byte > 255 || ++bytes > 4) throw nothing(word)
      address = (address << 8) | byte
      byte = 0
      digits = 0
    } else {
      if (code < ZERO || code > NINE || ++digits > 3) throw nothing(word)
      byte = byte * 10 + code - ZERO
    }
  }
  return bytes === 4 ? address : address << (8 * (4 - bytes))
}

function nothing(word: number): Wrong {
  return new Wrong('is no IPv4 address (names of hosts are not looked up)', word)
}

/** `address[/prefix or mask]`, the mask of any bits. */
export function parseNet(text: string, word = 1): Net {
  const slash = text.indexOf('/')
  if (slash < 0) return { address: parseAddress(text, word), mask: -1 }
  const address = parseAddress(text.slice(0, slash), word)
  const behind = text.slice(slash + 1)
  const mask = /^\d+$/.test(behind) ? fromPrefix(Number(behind), word) : fromMask(behind, word)
  return { address: address & mask, mask }
}

function fromPrefix(prefix: number, word: number): number {
  if (prefix > 32) throw new Wrong('has a prefix longer than 32 bits', word)
  return prefix === 0 ? 0 : -1 << (32 - prefix)
}

function fromMask(text: string, word: number): number {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return parseAddress(text, word)
  throw new Wrong('has a mask that is neither a prefix length nor four bytes', word)
}

export function printAddress(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
}

/** `/24`, or the four bytes of a mask that is no prefix. */
export function printMask(mask: number): string {
  const prefix = Math.clz32(~mask)
  return fromPrefix(prefix, 0) === mask ? `/${prefix}` : `/${printAddress(mask)}`
}
