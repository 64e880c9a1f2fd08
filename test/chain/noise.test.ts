/** Options of all matches and targets with values that make no sense: they are refused by Wrong, or print as something that reads the same. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type MatchKind, type TargetKind, Wrong } from '../../src/chain/extension.ts'
import { matchKind, matchNames, targetKind, targetNames } from '../../src/chain/kinds.ts'
import { Compiler, use } from '../lab/condition.ts'

const kinds = [
  ...matchNames().map((name) => ['match', name] as const),
  ...targetNames().map((name) => ['target', name] as const),
]

/** Values that are near to being right, and others. */
const near = `0 1 7 46 255 256 1000 65535 65536 4294967295 4294967296 -1 0x10 010 08 1/2 0x1/0xff 1:5 5:1 : :: 1-5 5-1 1,2,3 , / 1.5 1e3
NaN 10.0.0.1 10.0.0.1/24 10.0.0.1-10.0.0.9 10.0.0.9-10.0.0.1 10.0.0.1:80 :80-90/5 :80 1.2.3 ::1 src dst src,dst LOCAL unicast EF AF11 NEW
SYN,ACK ALL NONE tcp http mark 1/sec 3/minute bm eth0 eth+ 02:00:00:00:00:01 2026-01-01 12:30 Mon,Tue 0=1 6&0xFF=1 both packets random
nth 0.5 constructor __proto__ toString é`
const words = [...near.split(/\s+/), '', ' ', 'a b', '"', '\\', '!', '--', 'x'.repeat(300)]
const word = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...words) }, fc.string({ maxLength: 12 }))

/** All names that generated code may use: registers, views and tables, what is asked of them, and what it calls its own. */
const known = new Set([
  ...['x', 'v', 'w', 'M', 'T', 'N', 'count', 'wild', 'ask', 'getUint8', 'getUint16', 'getInt32', 'getUint32'],
  ...['return', 'if', 'else', 'const', 'true', 'false', 'f', 'l', 'm', 'Math', 'max', 'min', 'trunc'],
])

/** The code that a use becomes holds integers and known names only, never text from a rule, and is JavaScript. */
function isSafe(kind: MatchKind | TargetKind, data: unknown): void {
  const emit = new Compiler()
  emit.sets = (name) => ({ name, type: 'hash:ip', at: 64 })
  const { text } = kind.code(data, emit)
  expect(text).toMatch(/^[\w ()[\]{}.,;<>=!&|^~+\-*/%?:]*$/)
  const names = text.match(/[A-Za-z_$][\w$]*/g) ?? []
  expect(names.filter((each) => !known.has(each) && !/^x[0-9a-f]+$/.test(each))).toEqual([])
  expect(() => new Function('x', 'v', 'w', 'M', 'T', 'N', 'count', text)).not.toThrow()
}

/** One option of a kind with its words, `!` before it where that may stand. */
function option(kind: MatchKind | TargetKind): fc.Arbitrary<string[]> {
  const options = Object.entries(kind.options)
  if (options.length === 0) return fc.constant(['--none'])
  return fc.constantFrom(...options).chain(([text, form]) => {
    const said = typeof form === 'string' ? kind.options[form] : form
    const { words: count = 0, negatable = false } = typeof said === 'object' ? said : {}
    const values = fc.array(word, { minLength: count, maxLength: count })
    const negation = negatable ? fc.boolean() : fc.constant(false)
    return fc.tuple(negation, values).map(([not, list]) => [...(not ? ['!'] : []), text, ...list])
  })
}

it.each(kinds)('%s %s', (what, name) => {
  const kind = (what === 'match' ? matchKind(name) : targetKind(name)) as MatchKind | TargetKind
  const property = fc.property(fc.array(option(kind), { maxLength: 3 }), (list) => {
    let data: unknown
    try {
      data = use(kind, list.flat())
    } catch (error) {
      expect(error).toBeInstanceOf(Wrong)
      return
    }
    isSafe(kind, data)
    const printed = kind.print(data)
    // What is quoted is read by the language, which this is not about.
    if (printed.some((each) => /["\s]/.test(each))) return
    expect(kind.print(use(kind, printed))).toEqual(printed)
  })
  fc.assert(property, { numRuns: 500 })
})
