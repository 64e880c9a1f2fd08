/** What matches of headers, addresses and ports say of packets: the code that they become, run by itself. */
import { afterAll, describe, expect, it } from 'vitest'
import type { MatchKind } from '../../src/chain/extension.ts'
import { PURE, STATIC } from '../../src/chain/extension.ts'
import { addrtype } from '../../src/chain/match/addrtype.ts'
import { dscp } from '../../src/chain/match/dscp.ts'
import { ecn } from '../../src/chain/match/ecn.ts'
import { length } from '../../src/chain/match/length.ts'
import { physdev } from '../../src/chain/match/physdev.ts'
import { pkttype } from '../../src/chain/match/pkttype.ts'
import { rpfilter } from '../../src/chain/match/rpfilter.ts'
import { set } from '../../src/chain/match/set.ts'
import { tcpmss } from '../../src/chain/match/tcpmss.ts'
import { tos } from '../../src/chain/match/tos.ts'
import { ttl } from '../../src/chain/match/ttl.ts'
import { makeMatcher } from '../../src/chain/matchers.ts'
import * as R from '../../src/chain/registers.ts'
import { DONE, SetTable } from '../../src/table/set.ts'
import * as shape from '../../src/table/shape.ts'
import { Ground, use } from '../lab/condition.ts'
import { ip } from '../lab/frame.ts'
import { SYN, tcp, udp } from '../lab/transport.ts'

const ground = new Ground(makeMatcher)
afterAll(() => ground.close())

const A = '10.0.0.1:1000'
const B = '10.9.0.2:80'
const address = (text: string) => new DataView(Uint8Array.from(ip(text)).buffer).getInt32(0)

/** Whether the match says yes to what was loaded. */
// biome-ignore lint/suspicious/noExplicitAny: kinds differ in their data
const asks = (kind: MatchKind<any>, options: string) => ground.match(kind, options)()

describe('-m length', () => {
  it('counts the IPv4 header', () => {
    ground.load(udp(A, B, { payload: new Uint8Array(72) }))
    expect(['100', '0:100', '100:', ':99', '101:'].map((each) => asks(length, `--length ${each}`))).toEqual([
      ...[true, true, true, false, false],
    ])
    expect(asks(length, '! --length 100')).toBe(false)
    expect(asks(length, '! --length 1:99')).toBe(true)
    expect(ground.shows(length, '--length 3')).toBe('length 100')
    expect(ground.match(length, '--length 1').nature).toBe(PURE)
  })
})

describe('-m ttl', () => {
  it('compares', () => {
    ground.load(udp(A, B, { ttl: 64 }))
    const options = [
      '--ttl-eq 64',
      '! --ttl-eq 64',
      '--ttl-lt 65',
      '--ttl-lt 64',
      '--ttl-gt 63',
      '--ttl-gt 64',
      '--ttl 64',
    ]
    expect(options.map((each) => asks(ttl, each))).toEqual([true, false, true, false, true, false, true])
  })
  it('knows the hop that is still to be counted', () => {
    ground.load(udp(A, B, { ttl: 64 }), { [R.AGED]: 1 })
    expect(asks(ttl, '--ttl-eq 63')).toBe(true)
    expect(ground.shows(ttl, '--ttl-eq 1')).toBe('ttl 63')
  })
})

describe('-m tos, dscp and ecn', () => {
  it('share a byte', () => {
    ground.load(udp(A, B, { tos: 0xba }))
    const service = ['0xba', '0x08/0x08', '0x10/0x3f', '0xb8/0xfc', '0xba/0x0f']
    expect(service.map((each) => asks(tos, `--tos ${each}`))).toEqual([true, true, false, true, false])
    expect(asks(tos, '! --tos Minimize-Delay')).toBe(true)
    expect(asks(dscp, '--dscp-class EF')).toBe(true)
    expect(asks(dscp, '! --dscp 46')).toBe(false)
    expect(asks(ecn, '--ecn-ip-ect 2')).toBe(true)
    expect(asks(ecn, '! --ecn-ip-ect 2')).toBe(false)
    expect(ground.shows(tos, '--tos 1')).toBe('tos 0xba')
    expect(ground.shows(dscp, '--dscp 1')).toBe('dscp 0x2e')
  })
  it.each([
    [0x40, '--ecn-tcp-ece', true],
    [0x40, '--ecn-tcp-cwr', false],
    [0xc0, '--ecn-tcp-ece --ecn-tcp-cwr', true],
    [0x40, '--ecn-tcp-ece ! --ecn-tcp-cwr', true],
    [0x80, '! --ecn-tcp-cwr', false],
    [0xc0, '--ecn-tcp-cwr --ecn-ip-ect 1', false],
  ])('flags %i: %s', (flags, options, expected) => {
    ground.load(tcp(A, B, flags))
    expect(asks(ecn, options)).toBe(expected)
  })
  it('have no flags in a header that is cut off', () => {
    ground.load(tcp(A, B, 0xc0).subarray(0, 38))
    expect(asks(ecn, '--ecn-tcp-cwr')).toBe(false)
    expect(asks(ecn, '! --ecn-tcp-cwr')).toBe(false)
  })
})

describe('-m pkttype', () => {
  it('tells whom the frame was for', () => {
    ground.load(udp(A, B), { [R.TYPE]: 1 })
    expect(asks(pkttype, '--pkt-type broadcast')).toBe(true)
    expect(asks(pkttype, '--pkt-type host')).toBe(false)
    expect(asks(pkttype, '! --pkt-type multicast')).toBe(true)
    expect(ground.shows(pkttype, '--pkt-type host')).toBe('packet type broadcast')
  })
})

describe('-m addrtype', () => {
  const local = address('10.9.0.2')
  it('asks for either end, all together', () => {
    ground.addresses = { kind: (each) => (each === local ? 2 : 1), returns: () => true }
    ground.load(udp(A, B))
    expect(asks(addrtype, '--dst-type LOCAL')).toBe(true)
    expect(asks(addrtype, '! --dst-type LOCAL')).toBe(false)
    expect(asks(addrtype, '--dst-type BROADCAST,LOCAL --src-type UNICAST')).toBe(true)
    expect(asks(addrtype, '--dst-type LOCAL ! --src-type UNICAST')).toBe(false)
    expect(asks(addrtype, '--src-type LOCAL')).toBe(false)
    expect(ground.match(addrtype, '--src-type LOCAL').nature).toBe(STATIC)
    expect(ground.shows(addrtype, '--dst-type LOCAL')).toBe('destination 10.9.0.2')
  })
  it('asks a link where it is told to', () => {
    ground.addresses = { kind: (_each, side) => (side === 1 ? 2 : 1), returns: () => true }
    ground.load(udp(A, B))
    expect(asks(addrtype, '--dst-type LOCAL')).toBe(false)
    expect(asks(addrtype, '--dst-type LOCAL --limit-iface-in')).toBe(true)
    expect(asks(addrtype, '--dst-type LOCAL --limit-iface-out')).toBe(false)
  })
  it.each([
    ['in', 'POSTROUTING'],
    ['out', 'INPUT'],
  ])('does not fit: --limit-iface-%s in %s', (side, hook) => {
    const data = use(addrtype, `--dst-type LOCAL --limit-iface-${side}`)
    const place = { hooks: ['FORWARD', hook] } as never
    expect(() => addrtype.fits?.(data, place)).toThrow(`${hook} does not know`)
    expect(() => addrtype.fits?.(data, { hooks: ['FORWARD'] } as never)).not.toThrow()
  })
})

describe('-m rpfilter', () => {
  it.each([
    ['a way back', '', 1, 1, true, true],
    ['another link', '', 1, 1, false, false],
    ['another link, loosely', '--loose', 1, 1, true, true],
    ['ours', '', 2, 2, true, false],
    ['ours, at that link', '--accept-local', 2, 2, false, true],
    ['ours, at another link', '--accept-local', 2, 1, true, false],
    ['ours, at another link, loosely', '--accept-local --loose', 2, 1, false, true],
    ['everybody', '', 3, 3, true, false],
  ])('%s', (_name, options, kind, kindAtLink, returns, expected) => {
    ground.addresses = { kind: (_each, side) => (side === 1 ? kindAtLink : kind), returns: () => returns }
    ground.load(udp(A, B))
    expect(asks(rpfilter, options)).toBe(expected)
    expect(asks(rpfilter, `${options} --invert`)).toBe(!expected)
  })
  it('lets pass who has no address yet', () => {
    ground.addresses = { kind: () => 3, returns: () => false }
    const to = (destination: string) =>
      ground.load(udp('0.0.0.0:68', `${destination}:67`)) && asks(rpfilter, '')
    expect(['255.255.255.255', '224.0.0.22', '224.0.1.1', '10.0.0.1'].map(to)).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})

describe('-m physdev', () => {
  const names = ['vm1', 'vm2', 'eth']
  for (const name of names) ground.emit.name(name)
  const bridged = { [R.BRIDGED]: 1, [R.IN_PORT]: 1, [R.OUT_PORT]: 3 }
  const routed = { [R.BRIDGED]: 2, [R.IN_PORT]: 1, [R.OUT_PORT]: 3 }
  const cases: [options: string, bridged: boolean, routed: boolean, other: boolean][] = [
    ['--physdev-is-bridged', true, false, false],
    ['! --physdev-is-bridged', false, true, true],
    ['--physdev-is-in', true, true, false],
    ['! --physdev-is-in', false, false, true],
    ['--physdev-is-out', true, false, false],
    ['! --physdev-is-out', false, true, true],
    ['--physdev-in vm1', true, true, false],
    ['--physdev-in vm2', false, false, false],
    ['! --physdev-in vm1', false, false, true],
    ['! --physdev-in vm2', true, true, true],
    ['--physdev-in vm+', true, true, false],
    ['! --physdev-in e+', true, true, true],
    ['--physdev-in +', true, true, false],
    ['--physdev-out eth', true, false, false],
    ['--physdev-out vm+', false, false, false],
    ['! --physdev-out eth', false, false, true],
    ['! --physdev-out vm+', true, false, true],
    ['--physdev-in vm1 --physdev-out eth --physdev-is-bridged', true, false, false],
    ['--physdev-in vm1 ! --physdev-is-bridged', false, true, false],
  ]
  it.each(cases)('%s', (options, ...expected) => {
    const loads = [bridged, routed, { [R.IN_PORT]: 1, [R.OUT_PORT]: 3 }]
    expect(loads.map((registers) => ground.load(udp(A, B), registers) && asks(physdev, options))).toEqual(
      expected,
    )
  })
  it('does not fit in OUTPUT for the port that a packet leaves by', () => {
    const fits = (options: string) => physdev.fits?.(use(physdev, options), { hooks: ['OUTPUT'] } as never)
    expect(() => fits('--physdev-out vm1')).toThrow('OUTPUT')
    expect(() => fits('--physdev-is-out ! --physdev-is-bridged')).toThrow('OUTPUT')
    expect(() => fits('--physdev-out vm1 --physdev-is-bridged')).not.toThrow()
    expect(() => fits('--physdev-in vm1')).not.toThrow()
  })
})

describe('-m tcpmss', () => {
  const offered = [1, 1, 2, 4, 0x05, 0xb4, 1, 0]
  it.each([
    ['offered', offered, '--mss 1460', true],
    ['in a range', offered, '--mss 1400:1500', true],
    ['not in a range', offered, '! --mss 1400:1500', false],
    ['less', offered, '--mss :1459', false],
    ['not offered', [], '--mss 0:65535', false],
    ['not offered, not', [], '! --mss 0:65535', true],
    ['an option of another length', [2, 3, 5, 0], '--mss :', false],
    ['behind the end of options', [0, 2, 4, 5, 0xb4, 0, 0, 0], '--mss 1460', true],
    ['behind an option without length', [9, 0, 2, 4, 5, 0xb4, 0, 0], '--mss 1460', true],
    ['cut off by the header', [1, 2, 4, 5], '! --mss 1460', true],
  ])('%s', (_name, options, words, expected) => {
    ground.load(tcp(A, B, SYN, { options }))
    expect(asks(tcpmss, words)).toBe(expected)
    expect(ground.x[R.HOTDROP]).toBe(0)
  })
  it.each([38, 44])('drops a header that ends after %i bytes', (end) => {
    ground.load(tcp(A, B, SYN, { options: offered }).subarray(0, end))
    expect(asks(tcpmss, '! --mss 5')).toBe(false)
    expect(ground.x[R.HOTDROP]).toBe(1)
  })
  it('shows the size', () => {
    ground.load(tcp(A, B, SYN, { options: offered }))
    expect(ground.shows(tcpmss, '--mss 5')).toBe('mss 1460')
  })
})

describe('-m set', () => {
  const made = { capacity: 64, timeoutMs: -1, netmask: 32, first: 0, last: 0 }
  const places = [shape.HASH_IP, shape.HASH_IP_PORT].map((type, index) => {
    const slot = ground.arena.allocate(`slot${index}`, shape.SLOT).at
    const body = ground.arena.allocate(`set${index}`, shape.lengthOf({ ...made, type })).at
    shape.lay(ground.arena, body, { ...made, type })
    ground.arena.i32[slot >> 2] = body >> 2
    return { name: `set${index}`, type: '', at: slot }
  })
  ground.emit.sets = (name) => places[Number(name.slice(-1))]
  it('looks for the sides that are named', () => {
    ground.load(udp(A, B))
    expect(new SetTable(ground.arena, places[0].at).admit(ground.x, 8, -1, false)).toBe(DONE)
    expect(new SetTable(ground.arena, places[1].at).admit(ground.x, 16 | 2, -1, false)).toBe(DONE)
    const options = [
      'set0 src',
      'set0 dst',
      'set0 src,dst,dst,dst',
      'set1 src',
      'set1 src,dst',
      'set1 dst,src',
    ]
    const said = options.map((each) => asks(set, `--match-set ${each}`))
    expect(said).toEqual([true, false, true, false, true, false])
    expect(options.map((each) => asks(set, `! --match-set ${each}`))).toEqual(said.map((each) => !each))
    expect(set.sets?.(use(set, '--match-set set1 src'))).toEqual(['set1'])
    expect(ground.shows(set, '--match-set set1 src')).toBe('10.0.0.1:1000 to 10.9.0.2:80 for set set1')
  })
})
