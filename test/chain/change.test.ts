/** What targets do to packets, marks, flows and sets: the code that they become, run by itself. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { PURE, SLOW, STATIC } from '../../src/chain/extension.ts'
import { makeMatcher } from '../../src/chain/matchers.ts'
import * as R from '../../src/chain/registers.ts'
import { OUTPUT, POSTROUTING, PREROUTING } from '../../src/chain/rule.ts'
import { MARK, WORDS } from '../../src/table/flow.ts'
import { Ground, kindOf, use } from '../lab/condition.ts'
import { ip } from '../lab/frame.ts'
import { udp } from '../lab/transport.ts'

const ground = new Ground(makeMatcher)
const { x } = ground
afterAll(() => ground.close())
beforeEach(() => {
  ground.emit.tableName = 'mangle'
})

const A = '10.0.0.1:1000'
const B = '10.9.0.2:80'
const address = (text: string) => new DataView(Uint8Array.from(ip(text)).buffer).getInt32(0)

/** `NAME --options` as it stands behind -j. */
const make = (text: string) => ground.made(text)

describe('targets that translate', () => {
  it.each([
    ['SNAT --to-source 192.0.2.1', [R.NAT_SOURCE | R.NAT_ADDRESS, '192.0.2.1', '192.0.2.1', 0, 0, 0]],
    [
      'SNAT --to-source 192.0.2.1-203.0.113.9:5-9',
      [R.NAT_SOURCE | R.NAT_ADDRESS | R.NAT_PORT, '192.0.2.1', '203.0.113.9', 5, 9, 0],
    ],
    [
      'SNAT --to-source :7 --random',
      [R.NAT_SOURCE | R.NAT_PORT | R.NAT_RANDOM, '0.0.0.0', '0.0.0.0', 7, 7, 0],
    ],
    [
      'SNAT --to-source 1.1.1.1 --random-fully --persistent',
      [R.NAT_SOURCE | R.NAT_ADDRESS | R.NAT_RANDOM | R.NAT_PERSISTENT, '1.1.1.1', '1.1.1.1', 0, 0, 0],
    ],
    [
      'DNAT --to-destination 10.0.0.9:8000-8100/9000',
      [
        R.NAT_DESTINATION | R.NAT_ADDRESS | R.NAT_PORT | R.NAT_SHIFT,
        '10.0.0.9',
        '10.0.0.9',
        8000,
        8100,
        9000,
      ],
    ],
    ['DNAT --to-destination 0.0.0.0', [R.NAT_DESTINATION | R.NAT_ADDRESS, '0.0.0.0', '0.0.0.0', 0, 0, 0]],
    ['MASQUERADE', [R.NAT_SOURCE | R.NAT_LINK, '0.0.0.0', '0.0.0.0', 0, 0, 0]],
    [
      'MASQUERADE --to-ports 1024-2000',
      [R.NAT_SOURCE | R.NAT_LINK | R.NAT_PORT, '0.0.0.0', '0.0.0.0', 1024, 2000, 0],
    ],
    [
      'REDIRECT --to-ports 3128',
      [R.NAT_DESTINATION | R.NAT_LINK | R.NAT_PORT, '0.0.0.0', '0.0.0.0', 3128, 3128, 0],
    ],
  ] as [string, [number, string, string, number, number, number]][])('%s', (text, expected) => {
    ground.load(udp(A, B), { [R.NAT_BASE]: 99, [R.NAT_FIRST]: 99, [R.NAT_MIN]: 99, [R.NAT_FLAGS]: -1 })
    const act = make(text)
    expect([act.nature, act.ends, act()]).toEqual([SLOW, true, R.TRANSLATE])
    const [flags, min, max, ...ports] = expected
    expect([x[R.NAT_FLAGS], x[R.NAT_MIN], x[R.NAT_MAX]]).toEqual([flags, address(min), address(max)])
    expect([x[R.NAT_FIRST], x[R.NAT_LAST], x[R.NAT_BASE]]).toEqual(ports)
  })
  it('leave a source that is not there yet', () => {
    ground.load(udp('0.0.0.0:68', '255.255.255.255:67'))
    expect(make('MASQUERADE')()).toBe(R.ACCEPT)
  })
  it.each([
    [PREROUTING, R.NAT_DESTINATION],
    [OUTPUT, R.NAT_DESTINATION],
    [POSTROUTING, R.NAT_SOURCE],
  ])('map a network in hook %i', (hook, bit) => {
    ground.load(udp(A, B), { [R.HOOK]: hook })
    expect(make('NETMAP --to 172.16.5.9/20')()).toBe(R.TRANSLATE)
    expect(x[R.NAT_FLAGS]).toBe(R.NAT_MAP | bit)
    expect([x[R.NAT_MIN], x[R.NAT_MAX]]).toEqual([address('172.16.0.0'), -4096])
  })
  it('stand in the nat table, where they make sense', () => {
    const hooks = ['SNAT', 'MASQUERADE', 'DNAT', 'REDIRECT'].map((name) => kindOf(name).hooks)
    const before = ['PREROUTING', 'OUTPUT']
    expect(hooks).toEqual([['INPUT', 'POSTROUTING'], ['POSTROUTING'], before, before])
    for (const name of ['SNAT --to-source 1.1.1.1', 'NETMAP --to 1.1.1.1']) {
      const [first, ...words] = name.split(' ')
      const data = use(kindOf(first), words)
      expect(() => kindOf(first).fits?.(data, { hooks: ['POSTROUTING', 'INPUT'] } as never)).toThrow(
        'not available in INPUT',
      )
      expect(() => kindOf(first).fits?.(data, { hooks: ['POSTROUTING'] } as never)).not.toThrow()
    }
  })
})

describe('-j MARK', () => {
  it.each([
    ['--set-mark 0xf0', 0xf0],
    ['--set-mark 0xf0/0xff', 0x12f0],
    ['--set-xmark 0xf0/0x3', 0x12c4],
    ['--and-mark 0xff', 0x34],
    ['--or-mark 0x80000003', 0x80001237 | 0],
    ['--xor-mark 0xffffffff', ~0x1234],
  ])('%s', (options, mark) => {
    ground.load(udp(A, B), { [R.MARK]: 0x1234 })
    const act = make(`MARK ${options}`)
    expect([act.nature, act.ends, act(), x[R.MARK]]).toEqual([STATIC, false, R.CONTINUE, mark])
  })
})

describe('-j CONNMARK', () => {
  const words = ground.flows.words
  const place = (flow: number) => flow * WORDS + MARK
  it.each([
    ['--set-mark 0x10', 0x10, 0x1234],
    ['--set-xmark 0xff/0xf', 0xab3f, 0x1234],
    ['--and-mark 0xff', 0xcf, 0x1234],
    ['--or-mark 0x30', 0xabff, 0x1234],
    ['--xor-mark 0xcf', 0xab00, 0x1234],
    ['--save-mark', 0x1234, 0x1234],
    ['--save-mark --nfmask 0xff --ctmask 0xff', 0xab34, 0x1234],
    ['--save-mark --nfmask 0xff --ctmask 0xf', 0xabf4, 0x1234],
    ['--restore-mark', 0xabcf, 0xabcf],
    ['--restore-mark --mask 0xff', 0xabcf, 0x12cf],
    ['--restore-mark --ctmask 0xff', 0xabcf, 0xcf],
  ])('%s, of a flow and of one to come', (options, flowMark, mark) => {
    for (const flow of [3, 0]) {
      ground.load(udp(A, B), { [R.MARK]: 0x1234, [R.FLOW]: flow })
      words[place(flow)] = 0xabcf
      const act = make(`CONNMARK ${options}`)
      expect([act.nature, act.ends, act()]).toEqual([PURE, false, R.CONTINUE])
      expect([words[place(flow)], x[R.MARK]]).toEqual([flowMark, mark])
    }
  })
  it('changes nothing for a packet without a flow', () => {
    for (const state of [R.STATE_INVALID, R.STATE_UNTRACKED]) {
      ground.load(udp(A, B), { [R.MARK]: 5, [R.STATE]: state })
      words[place(0)] = 7
      make('CONNMARK --save-mark')()
      make('CONNMARK --restore-mark')()
      expect([words[place(0)], x[R.MARK]]).toEqual([7, 5])
    }
    // Before conntrack a packet has no state; what the gateway says about another one has that one's flow already.
    ground.emit.tableName = 'raw'
    make('CONNMARK --set-mark 1')()
    expect(words[place(0)]).toBe(7)
  })
  it('changes nothing in the straight loop', () => {
    words[place(2)] = 7
    ground.load(udp(A, B), { [R.FLOW]: 2, [R.FAST]: 1, [R.STATE]: R.STATE_ESTABLISHED })
    expect(make('CONNMARK --set-mark 8')()).toBe(R.SLOW)
    expect(words[place(2)]).toBe(7)
    expect(make('CONNMARK --set-mark 7')()).toBe(R.CONTINUE)
    expect(make('CONNMARK --restore-mark')()).toBe(R.CONTINUE)
    expect(x[R.MARK]).toBe(7)
  })
})

describe('-j CT and NOTRACK', () => {
  beforeEach(() => {
    ground.emit.tableName = 'raw'
    ground.load(udp(A, B))
  })
  it.each([
    ['CT --notrack', 1, 0],
    ['NOTRACK', 1, 0],
    ['CT --zone 9', 0, 9],
    ['CT', 0, 0],
    ['CT --notrack --zone 9', 1, 0],
  ])('%s decides, what comes later does not', (text, notrack, zone) => {
    for (const each of [text, 'CT --zone 200', 'NOTRACK']) expect(make(each)()).toBe(R.CONTINUE)
    expect([x[R.NOTRACK], x[R.ZONE]]).toEqual([notrack, zone])
  })
})
