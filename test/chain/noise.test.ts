/** Options of all matches and targets with values that make no sense: they are refused by Wrong, or print as something that reads the same. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MatchKind, type TargetKind, Wrong } from '../../src/chain/extension.ts'
import { matchKind, matchNames, targetKind, targetNames } from '../../src/chain/kinds.ts'
import { Compiler, use } from '../lab/condition.ts'

const kinds = [
  ...matchNames().map((name) => ['match', name] as const),
  ...targetNames().map((name) => ['target', name] as const),
]

/** Values that are near to being right, and others. */
const words = [
  ...[
    '0',
    '1',
    '7',
    '46',
    '255',
    '256',
    '1000',
    '65535',
    '65536',
    '4294967295',
    '4294967296',
    '-1',
    '0x10',
    '010',
    '08',
  ],
  ...[
    '1/2',
    '0x1/0xff',
    '1:5',
    '5:1',
    ':',
    '::',
    '1-5',
    '5-1',
    '1,2,3',
    ',',
    '/',
    '',
    ' ',
    '-',
    '!',
    '--',
    '1.5',
    '1e3',
    'NaN',
  ],
  ...[
    '10.0.0.1',
    '10.0.0.1/24',
    '10.0.0.1-10.0.0.9',
    '10.0.0.9-10.0.0.1',
    '10.0.0.1:80',
    ':80-90/5',
    '1.2.3',
    '::1',
  ],
  ...[
    'src',
    'dst',
    'src,dst',
    'LOCAL',
    'unicast',
    'EF',
    'AF11',
    'NEW',
    'SYN,ACK',
    'ALL',
    'NONE',
    'tcp',
    'http',
    'mark',
  ],
  ...[
    'constructor',
    '__proto__',
    'toString',
    'a b',
    '"',
    '\\',
    'é',
    'x'.repeat(300),
    '1/sec',
    '3/minute',
    'bm',
    'eth0',
    'eth+',
  ],
  ...[
    '02:00:00:00:00:01',
    '2026-01-01',
    '12:30',
    'Mon,Tue',
    '0=1',
    '6&0xFF=1',
    'both',
    'packets',
    'random',
    'nth',
    '0.5',
  ],
]

const word = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 12 }))

/** All names that generated code may use: registers, views and tables, what is asked of them, and what it calls its own. */
const known = new Set([
  ...['x', 'v', 'w', 'M', 'T', 'N', 'count', 'wild', 'ask', 'getUint8', 'getUint16', 'getInt32', 'getUint32'],
  ...['return', 'if', 'else', 'const', 'true', 'false', 'f', 'l', 'm'],
])

/** The code that a use becomes holds integers and known names only, never text from a rule, and is JavaScript. */
function isSafe(kind: MatchKind | TargetKind, data: unknown): void {
  const emit = new Compiler()
  emit.sets = (name) => ({ name, type: 'hash:ip', at: 64 })
  const { text } = kind.code(data, emit)
  expect(text).toMatch(/^[\w ()[\]{}.,;<>=!&|^~+\-*/%?:]*$/)
  const names = (text.match(/[A-Za-z_$][\w$]*/g) ?? []).filter((each) => !known.has(each))
  expect(names.filter((each) => !/^x[0-9a-f]+$/.test(each))).toEqual([])
  expect(() => new Function('x', 'v', 'w', 'M', 'T', 'N', 'count', text)).not.toThrow()
}

describe.each(kinds)('%s %s', (what, name) => {
  const kind = (what === 'match' ? matchKind(name) : targetKind(name)) as MatchKind | TargetKind
  const options = Object.entries(kind.options)
  const option = fc
    .constantFrom(...(options.length > 0 ? options : [['--none', { words: 0 }] as const]))
    .chain(([text, form]) => {
      const said = typeof form === 'string' ? kind.options[form] : form
      const count = typeof said === 'string' ? 0 : (said?.words ?? 0)
      const values = fc.array(word, { minLength: count, maxLength: count })
      return fc.tuple(fc.boolean(), values).map(([not, list]) => [...(not ? ['!'] : []), text, ...list])
    })
  it('reads sense, refuses nonsense', () => {
    fc.assert(
      fc.property(fc.array(option, { maxLength: 4 }), (list) => {
        let data: unknown
        try {
          data = use(kind, list.flat())
        } catch (error) {
          expect(error).toBeInstanceOf(Wrong)
          return
        }
        isSafe(kind, data)
        const printed = kind.print(data)
        if (printed.some((each) => each.includes('"'))) return
        expect(kind.print(use(kind, printed))).toEqual(printed)
      }),
      { numRuns: 300 },
    )
  })
})
