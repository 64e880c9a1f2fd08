import { describe, expect, it } from 'vitest'
import { MARK, WORDS } from '../../src/table/flow.ts'
import { ip, ipv4 } from '../lab/frame.ts'
import { INSIDE, int32, OUTSIDE } from '../lab/house.ts'
import {
  ACK,
  addresses,
  ask,
  count,
  filter,
  flows,
  GUEST,
  house,
  mangle,
  nat,
  PEER,
  ports,
  raw,
  SYN,
} from '../lab/manor.ts'
import { datagram, tcp } from '../lab/tracker.ts'

describe('rules on the way through', () => {
  it('drop a first packet, and no flow is left', () => {
    const made = house(filter('-A FORWARD -p udp -m udp --dport 53 -j DROP'))
    made.guest(0, ask())
    expect(made.atOutside()).toEqual([])
    expect(flows(made)).toBe(0)
    expect(made.drops()).toEqual({ rule_dropped: 1 })
    made.guest(0, ask(54))
    expect(made.atOutside().length).toBe(1)
    expect(count(made, ':FORWARD')).toBe(1)
  })

  it('count every packet of a flow under way, and change their mind when it is answered', () => {
    const made = house(
      filter(
        '-A FORWARD -m conntrack --ctstate ESTABLISHED -m comment --comment answered -j ACCEPT',
        '-A FORWARD -m conntrack --ctstate NEW -m comment --comment fresh',
      ),
    )
    for (let i = 0; i < 5; i++) made.guest(0, ask())
    const [first] = made.atOutside()
    expect([count(made, 'fresh'), count(made, 'answered')]).toEqual([5, 0])
    made.outside(datagram(PEER, OUTSIDE, [53, ports(first)[0]]))
    for (let i = 0; i < 7; i++) made.guest(0, ask())
    expect([count(made, 'fresh'), count(made, 'answered')]).toEqual([5, 8])
  })

  it('take hold of flows under way as soon as they are swapped in', () => {
    const made = house(filter('-A FORWARD -j ACCEPT'))
    for (let i = 0; i < 4; i++) made.guest(0, ask())
    expect(made.atOutside().length).toBe(4)
    made.rules(filter('-A FORWARD -p udp -m udp --dport 53 -j DROP', '-A FORWARD -j ACCEPT'))
    made.guest(0, ask())
    expect(made.atOutside()).toEqual([])
    expect([count(made, 'DROP'), count(made, '-A FORWARD -j ACCEPT')]).toEqual([1, 4])
    made.rules('')
    made.guest(0, ask())
    expect(made.atOutside().length).toBe(1)
  })

  it('see addresses as the kernel would at their hook', () => {
    const made = house(
      `${nat('-A PREROUTING -p udp -m udp --dport 55 -j DNAT --to-destination 203.0.113.9:53')}${filter(
        '-A FORWARD -d 203.0.113.9/32 -p udp -m udp --dport 53 -m comment --comment translated -j ACCEPT',
        '-A FORWARD -i lan -j DROP',
      )}${mangle(
        '-A PREROUTING -d 203.0.113.5/32 -m comment --comment before',
        '-A POSTROUTING -s 10.0.0.11/32 -d 203.0.113.9/32 -m comment --comment behind',
      )}`,
    )
    made.guest(0, ask(55))
    const [out] = made.atOutside()
    expect([addresses(out), ports(out)[1]]).toEqual([[OUTSIDE, '203.0.113.9'], 53])
    expect(['translated', 'before', 'behind'].map((each) => count(made, each))).toEqual([1, 1, 1])
    made.outside(datagram('203.0.113.9', OUTSIDE, [53, ports(out)[0]]))
    const [back] = made.atGuest(0)
    expect([addresses(back), ports(back)]).toEqual([
      [PEER, GUEST],
      [55, 4000],
    ])
  })

  it('never see a packet without a whole header', () => {
    const made = house(filter('-A FORWARD -j ACCEPT'))
    const whole = tcp({ from: GUEST, to: PEER, ports: [4000, 80], flags: SYN })
    const cut = ipv4({ source: GUEST, destination: PEER, protocol: 6 }, whole.subarray(20, 36))
    made.guest(0, cut)
    expect([made.atOutside(), made.drops()]).toEqual([[], { conntrack_invalid: 1 }])
  })

  it('give a flow a mark that its later packets find', () => {
    const made = house(
      mangle(
        '-A PREROUTING -m connmark --mark 0x7 -m comment --comment found',
        '-A PREROUTING -p udp -j CONNMARK --set-xmark 0x7/0xffffffff',
      ),
    )
    made.guest(0, ask())
    expect(made.parts.flows.words[WORDS + MARK]).toBe(7)
    made.guest(0, ask())
    expect(count(made, 'found')).toBe(1)
  })

  it('let packets pass untracked, and keep zones apart', () => {
    const made = house(raw('-A PREROUTING -p udp -m udp --dport 53 -j CT --notrack'))
    made.guest(0, ask())
    const [out] = made.atOutside()
    expect([addresses(out), flows(made)]).toEqual([[GUEST, PEER], 0])
    made.rules(raw('-A PREROUTING -p udp -m udp --dport 53 -j CT --zone 9'))
    made.guest(0, ask())
    made.guest(0, ask())
    expect([made.atOutside().length, flows(made)]).toEqual([2, 1])
    expect(made.parts.flows.find(int32(GUEST), int32(PEER), (4000 << 16) | 53, 17 | (9 << 8))).toBe(2)
  })

  it('open what is closed only by a rule that says so', () => {
    const inward = datagram(PEER, GUEST, [53, 4000])
    const made = house(filter('-A FORWARD -p tcp -j ACCEPT'))
    made.outside(inward)
    expect(made.atGuest(0)).toEqual([])
    expect(made.drops()).toEqual({ no_route: 1 })
    made.rules(filter('-A FORWARD -i wan -o lan -p udp -j ACCEPT'))
    made.outside(inward)
    expect(addresses(made.atGuest(0)[0])).toEqual([PEER, GUEST])
  })

  it('wait for the next hop where they ask for its port', () => {
    const made = house(filter('-A FORWARD -o router -p udp -j ACCEPT', '-A FORWARD -j DROP'))
    for (let i = 0; i < 3; i++) made.guest(0, ask(53, 4000 + i))
    expect(made.atOutside().map((each) => ports(each)[0])).toEqual([4000, 4001, 4002])
    expect(count(made, '-o router')).toBe(3)
    expect(count(made, '-j DROP')).toBe(0)
    made.guest(0, tcp({ from: GUEST, to: PEER, ports: [4000, 80], flags: SYN }))
    expect(made.atOutside()).toEqual([])
  })
})

describe('translation by rules', () => {
  it('comes before published ports and the mode, and ACCEPT exempts', () => {
    const made = house(
      nat(
        '-A POSTROUTING -d 203.0.113.7/32 -j ACCEPT',
        '-A POSTROUTING -d 203.0.113.8/32 -o wan -j SNAT --to-source 198.51.100.77',
      ),
    )
    for (const to of ['203.0.113.7', '203.0.113.8', '203.0.113.9'])
      made.guest(0, datagram(GUEST, to, [4000, 53]))
    expect(made.atOutside().map((each) => addresses(each)[0])).toEqual([GUEST, '198.51.100.77', OUTSIDE])
  })

  it('keeps the port where the answers are free, else takes another of its class', () => {
    const made = house(nat('-A POSTROUTING -o wan -j MASQUERADE'))
    for (const guest of [0, 1]) made.guest(guest, datagram(`10.0.0.1${guest + 1}`, PEER, [4000, 53]))
    made.guest(1, datagram('10.0.0.12', '203.0.113.6', [4000, 53]))
    const [one, other, third] = made.atOutside().map((each) => ports(each)[0])
    expect([one, third]).toEqual([4000, 4000])
    expect(other).not.toBe(4000)
    expect(other).toBeGreaterThan(1023)
  })

  it('leads from outside to a guest, and back', () => {
    const made = house(
      nat('-A PREROUTING -i wan -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.11:80'),
    )
    made.outside(tcp({ from: PEER, to: OUTSIDE, ports: [5000, 8080], flags: SYN }))
    const [inward] = made.atGuest(0)
    expect([addresses(inward), ports(inward)]).toEqual([
      [PEER, GUEST],
      [5000, 80],
    ])
    made.guest(0, tcp({ from: GUEST, to: PEER, ports: [80, 5000], flags: SYN | ACK, acknowledged: 1 }))
    const [outward] = made.atOutside()
    expect([addresses(outward), ports(outward)]).toEqual([
      [OUTSIDE, PEER],
      [8080, 5000],
    ])
  })

  it('maps whole networks', () => {
    const made = house(nat('-A POSTROUTING -s 10.0.0.0/24 -o wan -j NETMAP --to 192.0.2.0/24'))
    made.guest(0, ask())
    expect(addresses(made.atOutside()[0])).toEqual(['192.0.2.11', PEER])
  })
})

describe('what is rejected', () => {
  const names = {
    'icmp-net-unreachable': 0,
    'icmp-host-unreachable': 1,
    'icmp-proto-unreachable': 2,
    'icmp-port-unreachable': 3,
    'icmp-net-prohibited': 9,
    'icmp-host-prohibited': 10,
    'icmp-admin-prohibited': 13,
  }
  it.each(Object.entries(names))('is answered with %s', (name, code) => {
    const made = house(filter(`-A FORWARD -p udp -j REJECT --reject-with ${name}`))
    made.guest(0, ask())
    const [{ packet }] = made.atGuest(0)
    expect([packet[9], packet[20], packet[21]]).toEqual([1, 3, code])
    expect(addresses({ packet })).toEqual([INSIDE, GUEST])
    expect([...packet.subarray(40, 44)]).toEqual(ip(GUEST))
    expect(flows(made)).toBe(0)
  })

  it('is answered with a reset that fits', () => {
    const made = house(filter('-A FORWARD -p tcp -j REJECT --reject-with tcp-reset'))
    made.guest(0, tcp({ from: GUEST, to: PEER, ports: [4000, 80], flags: SYN, sequence: 1000 }))
    made.guest(0, tcp({ from: GUEST, to: PEER, ports: [4001, 80], flags: ACK, acknowledged: 77 }))
    made.guest(0, tcp({ from: GUEST, to: PEER, ports: [4002, 80], flags: 4 }))
    const answers = made.atGuest(0).map(({ packet }) => {
      const view = new DataView(packet.buffer, packet.byteOffset)
      return [view.getUint32(24), view.getUint32(28), packet[33]]
    })
    expect(answers).toEqual([
      [0, 1001, 0x14],
      [77, 0, 0x04],
    ])
  })

  it('leaves no word if OUTPUT does not let it', () => {
    const made = house(filter('-P OUTPUT DROP', '-A FORWARD -p udp -j REJECT'))
    made.guest(0, ask())
    expect(made.atGuest(0)).toEqual([])
    expect(count(made, ':OUTPUT')).toBe(1)
  })
})
