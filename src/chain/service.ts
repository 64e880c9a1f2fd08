/** The byte of an IPv4 header that was type of service (RFC 791) and is DiffServ's codepoint and ECN (RFC 2474, RFC 3168) now. */
import { Wrong } from './extension.ts'
import { integer, read } from './number.ts'

const services = new Map([
  ['minimize-delay', 0x10],
  ['maximize-throughput', 0x08],
  ['maximize-reliability', 0x04],
  ['minimize-cost', 0x02],
  ['normal-service', 0x00],
])

/** The bits that a service's name speaks of. */
const NAMED = 0x3f

/** `value[/mask]` or the name of a service. */
export function service(text: string): { value: number; mask: number } {
  const named = services.get(text.toLowerCase())
  if (named !== undefined) return { value: named, mask: NAMED }
  const [value, mask, more] = text.split('/')
  if (Number.isNaN(read(value)) || more !== undefined) {
    throw new Wrong(
      `is neither a number with or without a mask nor one of ${[...services.keys()].join(', ')}`,
    )
  }
  return { value: integer(value, 0, 255), mask: mask === undefined ? 255 : integer(mask, 0, 255) }
}

/** Codepoints of RFC 2474 (CS), RFC 2597 (AF: class, then how soon it is dropped) and RFC 3246 (EF). */
export function codepoint(name: string): number {
  const text = name.toUpperCase()
  if (text === 'BE') return 0
  if (text === 'EF') return 46
  if (/^CS[0-7]$/.test(text)) return Number(text[2]) << 3
  if (/^AF[1-4][1-3]$/.test(text)) return (Number(text[2]) << 3) | (Number(text[3]) << 1)
  throw new Wrong('is none of BE, EF, CS0 to CS7, AF11 to AF43')
}
