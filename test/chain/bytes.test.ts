/** string, u32 and time: what they look at, what of it is not as it came, and how much work anybody can make them. */
import { afterAll, describe, expect, it } from 'vitest'
import { string } from '../../src/chain/match/string.ts'
import { time } from '../../src/chain/match/time.ts'
import { u32 } from '../../src/chain/match/u32.ts'
import { Text } from '../../src/chain/matcher/string.ts'
import { Time, type TimeSpec } from '../../src/chain/matcher/time.ts'
import { makeMatcher } from '../../src/chain/matchers.ts'
import * as R from '../../src/chain/registers.ts'
import { Compiler, Ground, use } from '../lab/condition.ts'
import { Random } from '../lab/random.ts'
import { query, tcp, udp } from '../lab/transport.ts'

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const ground = new Ground(makeMatcher)
afterAll(() => ground.close())

const HEADERS = 28

function finds(payload: number[], options: string[]): boolean {
  ground.load(udp('10.0.0.1:1000', '10.0.0.2:53', { payload }))
  return ground.match(string, options)()
}

describe('string', () => {
  it('finds what a plain search finds', () => {
    const random = new Random(seed)
    for (let i = 0; i < 3000; i++) {
      const letters = (length: number) => Array.from({ length }, () => 0x61 + random.below(2))
      const pattern = letters(1 + random.below(6))
      const payload = letters(random.below(40))
      const from = HEADERS + random.below(20)
      const to = from + random.below(40)
      const text = Buffer.from(payload)
        .toString()
        .slice(from - HEADERS, to - HEADERS)
      const word = Buffer.from(pattern).toString()
      ground.load(udp('10.0.0.1:1000', '10.0.0.2:53', { payload }))
      const spec = { type: 'string', pattern, from, to, ignoresCase: false, inverted: false } as const
      const found = new Text(ground.footing, spec).ask(ground.x)
      expect({ seed, word, text, found }).toEqual({ seed, word, text, found: text.includes(word) })
    }
  })
  it('folds the case of ASCII and Latin-1 as the kernel does', () => {
    const has = (byte: number, hex: string) =>
      finds([byte], ['--algo', 'kmp', '--icase', '--hex-string', `|ee${hex}|`])
    expect(has(0, '00')).toBe(false)
    const same = (a: number, b: number) =>
      finds(
        [0xee, a],
        ['--algo', 'kmp', '--icase', '--hex-string', `|ee${b.toString(16)}|`, '--from', `${HEADERS}`],
      )
    expect([same(0x41, 0x61), same(0xe4, 0xc4), same(0xf7, 0xd7), same(0x5b, 0x7b)]).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
  it('sees addresses, ports and TTL as the hook has them, and what is behind them as it came', () => {
    const ask = (hex: string, registers: Record<number, number>) => {
      ground.load(udp('10.0.0.1:1000', '10.0.0.2:53'), registers)
      return ground.match(string, ['--algo', 'bm', '--hex-string', `|${hex}|`])()
    }
    expect(ask('0a0000010a000002', {})).toBe(true)
    expect(ask('0a000001cb007105', { [R.DESTINATION]: 0xcb007105 | 0 })).toBe(true)
    expect(ask('0a0000010a000002', { [R.DESTINATION]: 0xcb007105 | 0 })).toBe(false)
    expect(ask('0a00000207d00050', { [R.PORTS]: (2000 << 16) | 80 })).toBe(true)
    expect(ask('3f11', { [R.AGED]: 1 })).toBe(true)
  })
  it('does work in proportion to the packet, whatever it holds', () => {
    const payload = Array(60_000).fill(0x61)
    const pattern = `${'a'.repeat(127)}b`
    ground.load(udp('10.0.0.1:1000', '10.0.0.2:53', { payload }))
    const ask = ground.match(string, ['--algo', 'bm', '--string', pattern])
    // A search that compares anew at every byte would need 60,000 × 128 × 100 steps, most of a second at the least.
    for (let i = 0; i < 100; i++) expect(ask()).toBe(false)
  })
})

describe('u32', () => {
  const holds = (tests: string, packet: Uint8Array, registers: Record<number, number> = {}) => {
    ground.load(packet, registers)
    return ground.match(u32, ['--u32', tests])()
  }
  const segment = tcp('10.0.0.1:1000', '10.0.0.2:80', 2, { payload: [1, 2, 3, 4] })
  it('reads what the manual reads', () => {
    expect(holds('6&0xFF=6 && 0>>22&0x3C@0>>16=1000', segment)).toBe(true)
    expect(holds('0>>22&0x3C@12>>26&0x3C@0=0x01020304', segment)).toBe(true)
    expect(holds('0>>22&0x3C@ 20=0x01020304', segment)).toBe(true)
    expect(holds('6&0xFF=1 && 0>>22&0x3C@0>>8=0x0800', query('10.0.0.1:7', '10.0.0.2:7'))).toBe(false)
    expect(holds('6&0xFF=1 && 0>>22&0x3C@0>>16=0x0800', query('10.0.0.1:7', '10.0.0.2:7'))).toBe(true)
  })
  it('finds nothing outside of the packet', () => {
    const last = segment.length - 4
    expect([last, last + 1, 0xffff_ffff].map((at) => holds(`${at}=0:0xffffffff`, segment))).toEqual([
      true,
      false,
      false,
    ])
    expect(holds('12&0xffffffff@0=0:0xffffffff', segment)).toBe(false)
    expect(holds('0&0@4294967295=0:0xffffffff', segment)).toBe(false)
  })
  it('keeps 32 bits without a sign', () => {
    expect(holds('0<<1=0x8a000000:0x8affffff', segment)).toBe(true)
    expect(holds('12<<28=0x10000000', segment)).toBe(true)
    expect(holds('16&0xffffffff=0x80000000:0xffffffff', tcp('10.0.0.1:1', '200.0.0.2:80', 2))).toBe(true)
  })
  it('sees addresses and ports as the hook has them', () => {
    expect(
      holds('12=0xc6336401&&16=0x0a000002&&20=0x9c40', segment, {
        [R.SOURCE]: 0xc6336401 | 0,
        [R.PORTS]: 0x9c40,
      }),
    ).toBe(true)
  })
})

describe('time', () => {
  const at = (options: string, when: string) => {
    const data = use(time, options)
    const compiler = new Compiler()
    time.code(data, compiler)
    return new Time(ground.footing, compiler.specs[0] as TimeSpec).holds(Date.parse(when))
  }
  it.each([
    ['--timestart 08:00 --timestop 18:00', '2026-03-04T08:00:00Z', true],
    ['--timestart 08:00 --timestop 18:00', '2026-03-04T18:00:00.999Z', true],
    ['--timestart 08:00 --timestop 18:00', '2026-03-04T18:00:01Z', false],
    ['--timestart 22:00 --timestop 06:00', '2026-03-04T23:00:00Z', true],
    ['--timestart 22:00 --timestop 06:00', '2026-03-04T12:00:00Z', false],
    ['--weekdays Mon', '2026-03-02T12:00:00Z', true],
    ['--weekdays Sun', '2026-03-01T12:00:00Z', true],
    ['! --weekdays Sun', '2026-03-01T12:00:00Z', false],
    ['--monthdays 29', '2028-02-29T00:00:00Z', true],
    ['--monthdays 1', '2027-03-01T00:00:00Z', true],
    ['! --monthdays 31', '2026-12-31T23:59:59Z', false],
    ['--weekdays Mon --timestart 23:00 --timestop 01:00', '2026-03-03T00:30:00Z', false],
    ['--weekdays Mon --timestart 23:00 --timestop 01:00 --contiguous', '2026-03-03T00:30:00Z', true],
    ['--datestart 2026-03-04T10:00 --datestop 2026-03-04T11:00', '2026-03-04T10:00:00Z', true],
    ['--datestart 2026-03-04T10:00 --datestop 2026-03-04T11:00', '2026-03-04T11:00:01Z', false],
  ])('%s at %s', (options, when, answer) => {
    expect(at(options, when)).toBe(answer)
  })
})
