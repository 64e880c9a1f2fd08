import { describe, expect, it } from 'vitest'
import { FRAGMENTED, HELD, IN_USE } from '../../src/memory/counters.ts'
import { ipv4 } from '../lab/frame.ts'
import { INSIDE } from '../lab/house.ts'
import { count, filter, flows, GUEST, house, PEER, ports } from '../lab/manor.ts'
import { datagram, message } from '../lab/tracker.ts'

describe('the gateway itself', () => {
  const ping = () => message(GUEST, INSIDE, 8, 0, [0, 1, 0, 1])

  it('tells what waits: frames of the pool, packets for a neighbour, packets whose fragments are missing', () => {
    const made = house(filter())
    const { rig } = made
    const waits = () => [IN_USE, HELD, FRAGMENTED].map((at) => rig.counters[at])
    const fragment = { source: GUEST, destination: PEER, id: 5, protocol: 17, fragment: 0x2000 }
    made.guest(0, ipv4(fragment, new Uint8Array(64)))
    // Nobody has that address.
    made.guest(0, datagram(GUEST, '10.0.0.99', [4000, 53]))
    rig.time += 1000
    expect(waits()).toEqual([2, 1, 1])
    rig.time += 31_000
    rig.time += 1000
    expect(waits()).toEqual([0, 0, 0])
    made.guest(0, ipv4(fragment, new Uint8Array(64)))
    rig.time += 1000
    rig.gateway = null
    rig.apply()
    expect(waits()).toEqual([1, 0, 0])
  })

  it('hears by INPUT and speaks by OUTPUT', () => {
    const made = house(filter('-A INPUT -p icmp -j DROP'))
    made.guest(0, ping())
    expect([made.atGuest(0), flows(made)]).toEqual([[], 0])
    made.rules(filter('-A OUTPUT -p icmp -m icmp --icmp-type 0 -j DROP'))
    made.guest(0, ping())
    expect(made.atGuest(0)).toEqual([])
    made.rules(
      filter('-P INPUT DROP', '-P OUTPUT DROP', '-A INPUT -i lan -p icmp -j ACCEPT') +
        filter('-A OUTPUT -o lan -m conntrack --ctstate ESTABLISHED -j ACCEPT').replace('*filter', '*mangle'),
    )
    expect(made.parts.chains.active).toBe(true)
  })

  it('knows its own connections', () => {
    const made = house(
      filter(
        '-P OUTPUT DROP',
        '-A INPUT -m conntrack --ctstate NEW -m comment --comment fresh',
        '-A INPUT -m conntrack --ctstate ESTABLISHED -m comment --comment known',
        '-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT',
      ),
    )
    for (let i = 0; i < 3; i++) made.guest(0, ping())
    expect(made.atGuest(0).length).toBe(3)
    expect([count(made, 'fresh'), count(made, 'known'), flows(made)]).toEqual([1, 2, 1])
  })
})

describe('frames bridged inside a network', () => {
  const between = (port: number) => datagram('10.0.0.11', '10.0.0.12', [4000, port])

  it('pass the rules only if the network says so', () => {
    const rules = filter('-A FORWARD -i lan -o lan -p udp -m udp --dport 53 -j DROP')
    const open = house(rules)
    open.across(0, 1, between(53))
    expect(open.atGuest(1).length).toBe(1)
    const made = house(rules, { filterBridged: true })
    made.across(0, 1, between(53))
    made.across(0, 1, between(54))
    expect(made.atGuest(1).map((each) => ports(each)[1])).toEqual([54])
    expect([made.drops(), flows(made)]).toEqual([{ rule_dropped: 1 }, 1])
  })

  it('know their ports', () => {
    const made = house(filter('-A FORWARD -m physdev --physdev-in guest0 --physdev-is-bridged -j DROP'), {
      filterBridged: true,
    })
    made.across(0, 1, between(53))
    made.across(1, 0, datagram('10.0.0.12', '10.0.0.11', [4000, 53]))
    expect([made.atGuest(1).length, made.atGuest(0).length]).toEqual([0, 1])
  })
})
