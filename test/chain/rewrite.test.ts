/** What targets do to bytes of packets and to sets: the code that they become, run by itself. */
import { afterAll, describe, expect, it } from 'vitest'
import { SLOW } from '../../src/chain/extension.ts'
import { makeMatcher } from '../../src/chain/matchers.ts'
import * as R from '../../src/chain/registers.ts'
import { SetTable } from '../../src/table/set.ts'
import * as shape from '../../src/table/shape.ts'
import { Ground, kindOf, use } from '../lab/condition.ts'
import { ip, join, sum, u16 } from '../lab/frame.ts'
import { ACK, SYN, tcp, udp } from '../lab/transport.ts'

const ground = new Ground(makeMatcher)
const { x } = ground
afterAll(() => ground.close())

const A = '10.0.0.1:1000'
const B = '10.9.0.2:80'
const address = (text: string) => new DataView(Uint8Array.from(ip(text)).buffer).getInt32(0)

/** `NAME --options` as it stands behind -j. */
const make = (text: string) => ground.made(text)

/** True if the sums of the IPv4 header and of TCP or UDP are right. */
function isSound(packet: Uint8Array): boolean {
  const header = (packet[0] & 15) << 2
  const pseudo = sum(join(packet.subarray(12, 20), u16(packet[9]), u16(packet.length - header)))
  const total = (packet[2] << 8) | packet[3]
  return (
    total === packet.length &&
    sum(packet.subarray(0, header)) === 0xffff &&
    sum(packet.subarray(header), pseudo) === 0xffff
  )
}

describe('-j TTL, TOS and DSCP', () => {
  it.each([
    ['TTL --ttl-set 0', 8, 0],
    ['TTL --ttl-set 255', 8, 255],
    ['TTL --ttl-dec 1', 8, 63],
    ['TTL --ttl-dec 200', 8, 0],
    ['TTL --ttl-inc 1', 8, 65],
    ['TTL --ttl-inc 200', 8, 255],
    ['TTL --ttl-set 64', 8, 64],
    ['TOS --set-tos 0x55', 1, 0x55],
    ['TOS --set-tos 0x10/0x1c', 1, 0xb2],
    ['TOS --set-tos Normal-Service', 1, 0x80],
    ['TOS --and-tos 0x0f', 1, 0x0a],
    ['TOS --or-tos 0x45', 1, 0xff],
    ['TOS --xor-tos 0xff', 1, 0x45],
    ['DSCP --set-dscp 0', 1, 0x02],
    ['DSCP --set-dscp-class af43', 1, 0x9a],
  ])('%s', (text, place, byte) => {
    const before = udp(A, B, { ttl: 64, tos: 0xba })
    ground.load(before)
    const act = make(text)
    expect([act.nature, act.ends, act()]).toEqual([SLOW, false, R.CONTINUE])
    const after = ground.packet()
    expect(after[place]).toBe(byte)
    expect(isSound(after)).toBe(true)
    const others = [0, 1, 8].filter((each) => each !== place)
    expect(others.map((each) => after[each])).toEqual(others.map((each) => before[each]))
    expect(after.subarray(12)).toEqual(before.subarray(12))
  })
  it('keep the sum right for every byte', () => {
    for (let byte = 0; byte < 256; byte++) {
      ground.load(udp(A, B, { ttl: byte, tos: 255 - byte }))
      make(`TTL --ttl-set ${(byte * 7) & 255}`)()
      make(`TOS --set-tos ${(byte * 13) & 255}`)()
      expect(isSound(ground.packet())).toBe(true)
    }
  })
})

describe('-j TCPMSS', () => {
  const offered = [2, 4, 5, 0xb4]
  const word = (packet: Uint8Array, at: number) => (packet[at] << 8) | packet[at + 1]
  it.each([
    ['lowered', offered, '--set-mss 1400', 1400, 42],
    ['lowered at an odd place', [1, ...offered, 1, 1, 1], '--set-mss 1001', 1001, 43],
    ['never raised', offered, '--set-mss 1461', 1460, 42],
    ['lowered to the way', offered, '--clamp-mss-to-pmtu', 1240, 42],
  ])('%s', (_name, options, target, size, at) => {
    ground.load(tcp(A, B, SYN | ACK, { options, payload: [1, 2, 3] }), { [R.MTU]: 1280 })
    expect(make(`TCPMSS ${target}`)()).toBe(R.CONTINUE)
    const after = ground.packet()
    expect([word(after, at), isSound(after)]).toEqual([size, true])
  })
  it.each([
    ['no option', [], 1400, 536],
    ['other options', [1, 3, 3, 7], 300, 300],
    ['36 bytes of others', Array.from({ length: 36 }, () => 1), 1400, 536],
  ])('added to a SYN with %s', (_name, options, size, said) => {
    const before = tcp(A, B, SYN, { options })
    ground.load(before)
    expect(make(`TCPMSS --set-mss ${size}`)()).toBe(R.CONTINUE)
    const after = ground.packet()
    expect([after.length, x[R.LENGTH], word(after, 42), isSound(after)]).toEqual([
      before.length + 4,
      before.length + 4,
      said,
      true,
    ])
    expect(after[32] >> 4).toBe((before[32] >> 4) + 1)
    expect([...after.subarray(44)]).toEqual([...before.subarray(40)])
  })
  it.each([
    ['data behind the header', { payload: [1] }],
    ['no room', { options: Array.from({ length: 40 }, () => 1) }],
  ])('not added: %s', (_name, segment) => {
    const before = tcp(A, B, SYN, segment)
    ground.load(before)
    expect(make('TCPMSS --set-mss 1400')()).toBe(R.CONTINUE)
    expect(ground.packet()).toEqual(before)
  })
  it('not added to a bridged frame', () => {
    const before = tcp(A, B, SYN)
    ground.load(before, { [R.BRIDGED]: 1 })
    expect(make('TCPMSS --set-mss 1400')()).toBe(R.CONTINUE)
    expect(ground.packet()).toEqual(before)
  })
  it('drops what is broken, and what would pass no way', () => {
    ground.load(tcp(A, B, SYN).subarray(0, 39))
    expect(make('TCPMSS --set-mss 1400')()).toBe(R.DROP)
    ground.load(tcp(A, B, SYN, { options: offered }).subarray(0, 42))
    expect(make('TCPMSS --set-mss 1400')()).toBe(R.DROP)
    ground.load(tcp(A, B, SYN), { [R.MTU]: 40 })
    expect(make('TCPMSS --clamp-mss-to-pmtu')()).toBe(R.DROP)
  })
  it.each([[offered], [[]]])('leaves a partial checksum for who completes it: options %j', (options) => {
    const view = ground.arena.view
    const partial = (packet: Uint8Array) => {
      const pseudo = sum(join(packet.subarray(12, 20), u16(6), u16(packet.length - 20)))
      return join(packet.subarray(0, 36), u16(pseudo), packet.subarray(38))
    }
    ground.load(partial(tcp(A, B, SYN, { options })))
    // A vnet header before the frame: checksum wanted from byte 34 on.
    view.setUint16(x[R.AT] - 10, 0x0100)
    view.setUint16(x[R.AT] - 4, 34, true)
    make('TCPMSS --set-mss 500')()
    const after = ground.packet()
    expect(after).toEqual(partial(after))
    expect(word(after, 42)).toBe(500)
  })
  it('fits behind a match of SYN alone', () => {
    const { fits } = kindOf('TCPMSS')
    const place = (flags: number, notFlags: boolean, ...hooks: string[]) =>
      ({ hooks, rule: { matches: [{ name: 'tcp', data: { flags, notFlags } }] } }) as never
    expect(() => fits?.({ size: 1400 }, place(0x02, false, 'PREROUTING'))).not.toThrow()
    expect(() => fits?.({ size: 1400 }, place(0x02, true, 'FORWARD'))).toThrow('--tcp-flags SYN,RST SYN')
    expect(() => fits?.({ size: 1400 }, place(0x10, false, 'FORWARD'))).toThrow('--tcp-flags SYN,RST SYN')
    const clamp = use(kindOf('TCPMSS'), '--clamp-mss-to-pmtu')
    expect(() => fits?.(clamp, place(0x02, false, 'FORWARD', 'INPUT'))).toThrow('INPUT does not know the way')
    expect(() => fits?.(clamp, place(0x02, false, 'FORWARD', 'POSTROUTING'))).not.toThrow()
  })
})

describe('-j SET', () => {
  const made = { type: shape.HASH_IP, capacity: 64, timeoutMs: 100_000, netmask: 32, first: 0, last: 0 }
  const slot = ground.arena.allocate('slot', shape.SLOT).at
  const body = ground.arena.allocate('set', shape.lengthOf(made)).at
  shape.lay(ground.arena, body, made)
  ground.arena.i32[slot >> 2] = body >> 2
  ground.emit.sets = () => ({ name: 'guests', type: 'hash:ip', at: slot })
  const set = new SetTable(ground.arena, slot)
  const has = (text: string, now: number) => set.has(address(text), 0, 0, now)
  it('adds and removes', () => {
    ground.load(udp(A, B), { [R.NOW]: 1000 })
    const act = make('SET --add-set guests src')
    expect([act.nature, act.ends, act()]).toEqual([SLOW, false, R.CONTINUE])
    expect([has('10.0.0.1', 1000), has('10.9.0.2', 1000), has('10.0.0.1', 101_001)]).toEqual([1, 0, 0])
    make('SET --add-set guests dst --del-set guests src')()
    expect([has('10.0.0.1', 1000), has('10.9.0.2', 1000)]).toEqual([0, 1])
    expect(kindOf('SET').sets?.(use(kindOf('SET'), '--add-set a src --del-set b dst'))).toEqual(['a', 'b'])
  })
  it('prolongs only what it is told to', () => {
    ground.load(udp(A, B), { [R.NOW]: 1000 })
    make('SET --add-set guests src --timeout 5')()
    make('SET --add-set guests src --timeout 50')()
    expect([has('10.0.0.1', 5999), has('10.0.0.1', 6001)]).toEqual([1, 0])
    make('SET --add-set guests src --exist --timeout 50')()
    expect(has('10.0.0.1', 50_999)).toBe(1)
  })
})
