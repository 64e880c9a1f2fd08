import { describe, expect, it } from 'vitest'
import { arp, broadcast, ethernet, ipv4, join, mac, u16, udp } from '../lab/frame.ts'
import { Rig } from '../lab/rig.ts'

const own = '52:54:00:00:00:01'
const other = '52:54:00:00:00:02'
const peer = '52:54:00:00:00:03'
const address = '10.7.0.1'
const alias = '10.7.0.9'
const int32 = (text: string) => text.split('.').reduce((value, part) => (value << 8) | Number(part), 0)

const guard = { high: 0x5254, low: 1, addresses: [int32(address), int32(alias)] }

const packet = (source: string, protocol = 6, payload: number[] | Uint8Array = [1, 2, 3, 4], more = {}) =>
  ipv4({ source, destination: '10.7.0.2', protocol, ...more }, payload)
const four = (payload: Uint8Array, from = own, tags: [number, number][] = []) =>
  ethernet(peer, from, 0x0800, payload, tags)
const six = join([0x60, 0, 0, 0, 0, 0, 59, 64], new Array(32).fill(1))
const who = (hardware: string, sender: string, operation = 1) =>
  arp(operation, [hardware, sender], ['00:00:00:00:00:00', '10.7.0.2'])
const asks = (payload: Uint8Array, from = own, tags: [number, number][] = []) =>
  ethernet(broadcast, from, 0x0806, payload, tags)

/** A DHCP request from 0.0.0.0, or what looks like one. */
const dhcp = (source = 68, destination = 67, more = {}) =>
  four(packet('0.0.0.0', 17, udp(source, destination, new Array(240).fill(0)), more))

function broken(frame: Uint8Array, at: number, value: number): Uint8Array {
  const copy = Uint8Array.from(frame)
  copy[at] = value
  return copy
}

const good = packet(address)
const passes: [string, Uint8Array][] = [
  ['its own MAC and address', four(good)],
  ['its other address', four(packet(alias, 17, udp(1, 2, [])))],
  ['a fragment', four(packet(address, 17, [1], { fragment: 0x00b9 }))],
  ['a tag', four(good, own, [[0x8100, 5]])],
  [
    'two tags',
    four(good, own, [
      [0x88a8, 5],
      [0x8100, 6],
    ]),
  ],
  ['options', four(packet(address, 6, [], { options: [1, 1, 1, 1] }))],
  ['an ARP request', asks(who(own, address))],
  ['an ARP reply', asks(who(own, alias, 2))],
  ['an ARP probe', asks(who(own, '0.0.0.0'))],
  ['ARP behind a tag', asks(who(own, address), own, [[0x8100, 5]])],
  ['a DHCP request', dhcp()],
  ['a DHCP request with options', dhcp(68, 67, { options: [1, 1, 1, 1] })],
  ['a DHCP renewal', four(packet(address, 17, udp(68, 67, [])))],
]

const blocked: [string, Uint8Array][] = [
  ['another MAC', four(good, other)],
  ['a MAC whose last bits are its own', four(good, '52:55:00:00:00:01')],
  ['another address', four(packet('10.7.0.3'))],
  ['another address behind a tag', four(packet('10.7.0.3'), own, [[0x8100, 5]])],
  [
    'another address behind two tags',
    four(packet('10.7.0.3'), own, [
      [0x8100, 5],
      [0x8100, 6],
    ]),
  ],
  [
    'its address behind three tags',
    four(good, own, [
      [0x8100, 1],
      [0x8100, 2],
      [0x8100, 3],
    ]),
  ],
  ['address 0 without DHCP', four(packet('0.0.0.0'))],
  ['DHCP to another port', dhcp(68, 68)],
  ['DHCP from another port', dhcp(67, 67)],
  ['a fragment of DHCP', dhcp(68, 67, { fragment: 0x2000 })],
  ['a later fragment of DHCP', dhcp(68, 67, { fragment: 0x0001 })],
  ['DHCP cut before the ports', dhcp().subarray(0, 14 + 20 + 7)],
  ['DHCP over TCP', broken(dhcp(), 23, 6)],
  ['half an IPv4 header', four(good).subarray(0, 14 + 19)],
  ['another version in IPv4', broken(four(good), 14, 0x65)],
  ['IPv6', ethernet(peer, own, 0x86dd, six)],
  ['a MAC of its own only in Ethernet, not in ARP', asks(who(other, address))],
  ['an ARP MAC whose last bits are its own', asks(who('52:55:00:00:00:01', address))],
  ['ARP for another address', asks(who(own, '10.7.0.3'))],
  ['ARP for another address behind a tag', asks(who(own, '10.7.0.3'), own, [[0x8100, 5]])],
  ['an ARP reply for another address', asks(who(own, '10.7.0.3', 2))],
  ['ARP cut', asks(who(own, address)).subarray(0, 14 + 27)],
  ['ARP for another protocol', broken(asks(who(own, address)), 16, 0x86)],
  ['ARP with other lengths', broken(asks(who(own, address)), 18, 8)],
  ['RARP', ethernet(broadcast, own, 0x8035, who(own, address))],
  ['LLC', ethernet(peer, own, 40, new Array(40).fill(0))],
  ['a tag and nothing behind', join(mac(peer), mac(own), u16(0x8100))],
]

/** Sends one frame from the guarded port; what the neighbour got and why not. */
function send(frame: Uint8Array, program: object = { guard }): [number, Record<string, number>] {
  const rig = new Rig({ ports: [program, {}], frames: 4 })
  rig.close()
  rig.send(0, frame)
  expect(rig.pool.free).toBe(rig.pool.count)
  return [rig.taken(1).length, rig.drops(0)]
}

describe('a guarded port', () => {
  it.each(passes)('may send %s', (_, frame) => expect(send(frame)).toEqual([1, {}]))
  it.each(blocked)('may not send %s', (_, frame) => expect(send(frame)).toEqual([0, { guard: 1 }]))
  it('learns nothing from what it may not send', () => {
    const rig = new Rig({ ports: [{ guard }, {}], frames: 4 })
    rig.close()
    rig.send(0, four(good, other))
    expect(rig.macs().count).toBe(0)
  })
  it('without a MAC or an address of its own sends nothing, or asks only', () => {
    const nobody = { guard: { high: 0, low: 0, addresses: [] } }
    expect(send(four(good), nobody)).toEqual([0, { guard: 1 }])
    expect(send(four(good, '00:00:00:00:00:00'), nobody)[0]).toBe(0)
    const asking = { guard: { ...guard, addresses: [] } }
    expect(send(four(good), asking)).toEqual([0, { guard: 1 }])
    expect(send(dhcp(), asking)).toEqual([1, {}])
  })
})

describe('a port without guard', () => {
  it.each(blocked.filter(([what]) => !what.startsWith('a tag')))('sends %s', (_, frame) => {
    expect(send(frame, {})).toEqual([1, {}])
  })
})
