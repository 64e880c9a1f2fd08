/** What the gateway says of its own and what it does with fragments: none of it is on the straight way, all of it can be asked for in floods. */

import { cuts, fragment, payload } from '../../test/lab/fragment.ts'
import { arp, ethernet, ipv4, station, sum, u16 } from '../../test/lab/frame.ts'
import { GATEWAY, OWN, Stand } from '../../test/lab/stand.ts'
import type { Case } from './case.ts'

/** Frames of one case's run. */
const COUNT = 64
const broadcast = 'ff:ff:ff:ff:ff:ff'

function echo(): Uint8Array {
  const body = new Uint8Array(64).fill(7)
  body.set([8, 0, 0, 0])
  body.set(u16(~sum(body)), 2)
  const packet = ipv4({ source: '10.7.0.11', destination: GATEWAY.address, protocol: 1 }, body)
  return ethernet(GATEWAY.mac, station(1), 0x0800, packet)
}

/** Requests for the gateway's address, each answered. */
function asked(): Case {
  const stand = new Stand({ deaf: true })
  const request = arp(1, [station(1), '10.7.0.11'], ['00:00:00:00:00:00', GATEWAY.address])
  const { at } = stand.place(1, ethernet(broadcast, station(1), 0x0806, request))
  const run = () => {
    for (let i = 0; i < COUNT; i++) stand.arp.hear(at, 42, stand.ports[1], stand.link, 0)
    stand.outbox.flush()
  }
  return { name: 'ARP request answered', frames: COUNT, run }
}

function pinged(): Case {
  const stand = new Stand({ deaf: true })
  const bytes = echo()
  const packet = stand.place(1, bytes)
  const run = () => {
    for (let i = 0; i < COUNT; i++) {
      stand.arena.u8.set(bytes, packet.at)
      packet.read(stand.arena.view)
      stand.icmp.echo(packet)
    }
  }
  return { name: 'echo request answered, 64 bytes', frames: COUNT, run }
}

/** Datagrams of three fragments put together; figures are of one fragment. */
function gathered(): Case {
  const stand = new Stand({ deaf: true })
  const frames = cuts(4000, 1480).map((cut) => {
    const bytes = fragment(payload(4000), cut)
    return { frame: stand.frame(bytes), length: bytes.length }
  })
  const { packet, pool } = stand
  packet.port = stand.ports[1]
  const run = () => {
    for (let i = 0; i < COUNT; i++) {
      for (let f = 0; f < frames.length; f++) {
        packet.place(0, frames[f].frame, pool.frameAt(frames[f].frame), frames[f].length, 0)
        if (stand.fragments.add(packet, 0) === -1) pool.give(packet.frame)
      }
    }
  }
  return { name: 'fragment of 1,500 bytes put to its datagram', frames: COUNT * frames.length, run }
}

/** Packets of 4,000 bytes cut into three; figures are of one piece. */
function cut(): Case {
  const stand = new Stand({ deaf: true })
  const body = ipv4(
    { source: '10.7.0.11', destination: '192.0.2.1', protocol: 17, fragment: 0 },
    payload(4000),
  )
  const bytes = ethernet(GATEWAY.mac, station(1), 0x0800, body)
  const { at } = stand.place(1, bytes)
  const run = () => {
    for (let i = 0; i < COUNT; i++) stand.fragments.split(at, bytes.length, 1500, OWN, 2)
    stand.outbox.flush()
  }
  return { name: 'piece of 1,500 bytes cut from a packet', frames: COUNT * 3, run }
}

export function speech(): Case[] {
  return [asked(), pinged(), gathered(), cut()]
}
