/** The parts of a condition, which lookups are made of, say what the whole says; and what is printed reads the same. */
import * as fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type MatchKind, STATIC } from '../../src/chain/extension.ts'
import { matchKind } from '../../src/chain/kinds.ts'
import * as R from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { save } from '../../src/chain/save.ts'
import { Asking } from '../lab/asking.ts'
import { ip } from '../lab/frame.ts'
import { SYN, tcp } from '../lab/transport.ts'

const asking = new Asking()
const { ground } = asking
const { x } = ground
const conditions = (text: string) => asking.conditions(text)
afterAll(() => ground.close())

const int = (text: string) => new DataView(Uint8Array.from(ip(text)).buffer).getInt32(0)

describe('the parts of a condition', () => {
  const address = fc.constantFrom('10.0.0.1', '10.0.0.0/30', '10.0.0.1/255.0.0.255', '0/0', '192.0.0.0/2')
  const port = fc.constantFrom('0', '80', '1:80', '80:', ':')
  const not = fc.constantFrom('', '! ')
  const option = (name: string, value: fc.Arbitrary<string>) =>
    fc
      .option(fc.tuple(not, value), { nil: null })
      .map((both) => (both === null ? '' : `${both[0]}${name} ${both[1]}`))
  const name = fc.constantFrom('lan', 'wan', 'vm1', 'vm2', 'nobody', 'l+', 'vm+')
  const base = [option('-s', address), option('-d', address), option('-i', name), option('-o', name)]
  const behind = fc.oneof(
    option('-p', fc.constantFrom('tcp', 'udp', 'icmp', '47')),
    fc.tuple(fc.constantFrom('-p tcp', '-p udp'), option('--sport', port), option('--dport', port)),
    fc.tuple(
      fc.constant('-p tcp'),
      fc.constantFrom('', '--syn', '! --syn', '--tcp-flags ALL ACK', '--tcp-option 2'),
    ),
    fc.tuple(fc.constant('-p icmp'), option('--icmp-type', fc.constantFrom('0', '8', '3/3', 'any'))),
    fc.tuple(
      fc.constant('-p tcp -m multiport'),
      option('--dports', fc.constantFrom('80', '1,80', '5:90')).filter(Boolean),
    ),
  )
  const text = fc.tuple(...base, behind).map((parts) => parts.flat().filter(Boolean).join(' '))
  const register = fc.constantFrom(
    0,
    1,
    2,
    3,
    6,
    17,
    80,
    0x0303,
    0x0800,
    ports(80, 80),
    ports(1, 0),
    int('10.0.0.1'),
    int('10.0.0.2'),
  )

  function ports(source: number, destination: number): number {
    return (source << 16) | destination
  }

  it('say what the whole says', () => {
    ground.load(tcp('10.0.0.1:1000', '192.0.2.7:80', SYN, { options: [2, 4, 5, 180] }))
    fc.assert(
      fc.property(text, fc.array(register, { minLength: 8, maxLength: 8 }), (written, registers) => {
        x.set(registers)
        x[R.PROTOCOL] &= 255
        for (const whole of conditions(written)) {
          if (!whole.key) {
            expect(whole.rest).toBeUndefined()
            continue
          }
          const rest = whole.rest === undefined ? () => true : conditionOf(whole.rest)
          const parts = whole.key.every(({ word, value, mask }) => (x[word] & mask) === value)
          expect(parts && rest(), `${written}: ${whole.text}`).toBe(whole())
          for (const { value, mask } of whole.key) expect(value & mask).toBe(value)
        }
      }),
      { numRuns: 1500 },
    )
  })

  /** An expression by itself. */
  function conditionOf(expression: string): () => boolean {
    const kind = {
      ...(matchKind('comment') as MatchKind),
      code: () => ({ text: expression, nature: STATIC }),
    } as MatchKind
    return ground.match(kind, { text: '' })
  }

  it('are printed so that they read the same', () => {
    const printed = (input: string) => save(restore(input), () => [0, 0], false)
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 5 }),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
        (rules, words) => {
          const comment = words.replace(/[\n"\\]/g, '\\$&').replace(/\n/g, ' ')
          const lines = rules.map((each) => `-A FORWARD ${each} -m comment --comment "${comment}" -j ACCEPT`)
          const once = printed(['*filter', ...lines, 'COMMIT', ''].join('\n'))
          expect(printed(once)).toBe(once)
          expect(restore(once).tables.get('filter')?.chains.get('FORWARD')?.rules).toHaveLength(rules.length)
        },
      ),
      { numRuns: 400 },
    )
  })
})
