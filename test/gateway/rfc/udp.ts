/** RFC 4787. */
import { expect } from 'vitest'
import * as program from '../../../src/pipeline/program.ts'
import { type House, OUTSIDE } from '../../lab/house.ts'
import { ends, error, read, split, together, udp } from '../../lab/transport.ts'
import type { Chapter, Requirement } from './requirement.ts'

const A = '203.0.113.9'
const B = '203.0.113.10'
const guest = (number: number, port: number) => `10.0.0.${11 + number}:${port}`
const MINUTE = 60_000

/** The outside endpoint that a guest's packet leaves by. */
function leaves(house: House, number: number, port: number, to: string): string {
  house.guest(number, udp(guest(number, port), to))
  const [got] = house.atOutside()
  return got === undefined ? 'nothing' : read(got.packet).from
}

/** Whether what `from` sends to that outside endpoint reaches the guest. */
function reaches(house: House, from: string, to: string, number: number): boolean {
  house.outside(udp(from, to))
  return house.atGuest(number).length > 0
}

const mapping: Requirement[] = [
  {
    id: 'REQ-1',
    asks: 'One inside endpoint has one outside endpoint, whoever it talks to.',
    verdict: 'met',
    note: 'the default; `nat.mapping` offers the other two behaviours',
    proofs: [
      {
        shows: 'one socket that talks to four endpoints leaves by one',
        run: (house) => {
          // Another guest has the port already, so that it cannot simply be preserved.
          leaves(house, 1, 5000, `${A}:1`)
          const to = [`${A}:1`, `${A}:2`, `${B}:1`, `${B}:2`]
          const from = new Set(to.map((each) => leaves(house, 0, 5000, each)))
          expect(from.size).toBe(1)
          expect([...from]).not.toContain(`${OUTSIDE}:5000`)
        },
      },
      {
        shows: 'address-dependent: one endpoint an outside address',
        settings: { mapping: program.ADDRESS_DEPENDENT },
        run: (house) => {
          const from = [`${A}:1`, `${A}:2`, `${B}:1`, `${B}:2`].map((to) => leaves(house, 0, 5000, to))
          expect([from[0] === from[1], from[2] === from[3], from[0] === from[2]]).toEqual([true, true, false])
        },
      },
      {
        shows: 'address- and port-dependent: one endpoint an outside endpoint',
        settings: { mapping: program.ADDRESS_AND_PORT_DEPENDENT },
        run: (house) => {
          const to = [`${A}:1`, `${A}:2`, `${B}:1`, `${B}:2`]
          expect(new Set(to.map((each) => leaves(house, 0, 5000, each))).size).toBe(4)
        },
      },
    ],
  },
  {
    id: 'REQ-2',
    asks: 'Where there are several outside addresses an inside address keeps to one of them.',
    verdict: 'does not apply',
    note: 'an uplink has one address',
    proofs: [],
  },
  {
    id: 'REQ-3',
    asks: 'Two inside endpoints never share an outside endpoint; system ports go to system ports, others to others.',
    verdict: 'met',
    note: 'system ports only if `nat.ports` holds some: by default it begins at 1024',
    proofs: [
      {
        shows: 'the same port of four guests, towards one server, leaves by four ports',
        run: (house) => {
          const from = [0, 1, 2, 3].map((number) => leaves(house, number, 7000, `${A}:53`))
          expect(new Set(from).size).toBe(4)
          expect(from[0]).toBe(`${OUTSIDE}:7000`)
        },
      },
      {
        shows: 'a range that is used up gives nothing rather than a shared port',
        settings: { first: 3000, last: 3003 },
        run: (house) => {
          const from = [1, 2, 3, 4, 5].map((port) => leaves(house, 0, port, `${A}:53`))
          expect([new Set(from.slice(0, 4)).size, from[4]]).toEqual([4, 'nothing'])
        },
      },
      {
        shows: 'system ports on system ports (a)',
        settings: { first: 1, last: 65535 },
        run: (house) => {
          const ports = [0, 1, 2].map((number) =>
            Number(leaves(house, number, 123, `${A}:123`).split(':')[1]),
          )
          expect(ports.filter((port) => port > 1023)).toEqual([])
          const others = [0, 1, 2].map((number) =>
            Number(leaves(house, number, 5000, `${A}:1`).split(':')[1]),
          )
          expect(others.filter((port) => port < 1024)).toEqual([])
        },
      },
    ],
  },
  {
    id: 'REQ-4',
    asks: 'An even port becomes an even one, an odd port an odd one.',
    verdict: 'met',
    proofs: [
      {
        shows: 'parity kept by guests that all want the same two ports',
        run: (house) => {
          for (const port of [6000, 6001])
            for (const number of [0, 1, 2, 3])
              expect(Number(leaves(house, number, port, `${A}:53`).split(':')[1]) % 2).toBe(port % 2)
        },
      },
    ],
  },
  {
    id: 'REQ-5',
    asks: 'A mapping lives two minutes at least, better five, and the time can be configured.',
    verdict: 'met',
    note: '300 s; `conntrack.timeouts.udp`',
    proofs: [
      {
        shows: 'there after 4 min 59 s of silence, gone after five',
        run: (house) => {
          const out = leaves(house, 0, 5000, `${A}:53`)
          house.rig.time += 5 * MINUTE - 1000
          expect(reaches(house, `${A}:53`, out, 0)).toBe(true)
          house.rig.time += 5 * MINUTE + 1000
          expect(reaches(house, `${A}:53`, out, 0)).toBe(false)
        },
      },
    ],
  },
  {
    id: 'REQ-6',
    asks: 'What goes out keeps the mapping alive.',
    verdict: 'met',
    note: 'what comes in does too, which the RFC leaves open (a)',
    proofs: [
      {
        shows: 'twenty minutes of one-way traffic keep one endpoint',
        run: (house) => {
          leaves(house, 1, 5000, `${A}:53`)
          const out = leaves(house, 0, 5000, `${A}:53`)
          for (let minutes = 0; minutes < 20; minutes += 4) {
            house.rig.time += 4 * MINUTE
            expect(leaves(house, 0, 5000, `${A}:53`)).toBe(out)
          }
          expect(reaches(house, `${A}:53`, out, 0)).toBe(true)
        },
      },
    ],
  },
  {
    id: 'REQ-7',
    asks: 'Inside addresses do not collide with those outside where the outside address is dynamic.',
    verdict: 'met',
    note: 'the link to the host is chosen around what the host and the networks have; a written subnet that an uplink also has is refused (test/control)',
    proofs: [],
  },
]

const filtering: Requirement[] = [
  {
    id: 'REQ-8',
    asks: 'Endpoint-independent filtering for transparency, address-dependent filtering for strictness; the operator chooses.',
    verdict: 'met if configured',
    note: 'the default is stricter than both, as Linux: address- and port-dependent',
    proofs: [
      {
        shows: 'endpoint-independent: anybody reaches a mapping',
        settings: { filtering: program.ENDPOINT_INDEPENDENT },
        run: (house) => {
          const out = leaves(house, 0, 5000, `${A}:53`)
          expect([`${A}:53`, `${A}:54`, `${B}:53`].map((from) => reaches(house, from, out, 0))).toEqual([
            true,
            true,
            true,
          ])
        },
      },
      {
        shows: 'address-dependent: any port of an address that was spoken to',
        settings: { filtering: program.ADDRESS_DEPENDENT },
        run: (house) => {
          const out = leaves(house, 0, 5000, `${A}:53`)
          expect([`${A}:53`, `${A}:54`, `${B}:53`].map((from) => reaches(house, from, out, 0))).toEqual([
            true,
            true,
            false,
          ])
          leaves(house, 0, 5000, `${B}:1`)
          expect(reaches(house, `${B}:53`, out, 0)).toBe(true)
        },
      },
      {
        shows: 'address- and port-dependent: who was spoken to, nobody else',
        run: (house) => {
          const out = leaves(house, 0, 5000, `${A}:53`)
          expect([`${A}:53`, `${A}:54`, `${B}:53`].map((from) => reaches(house, from, out, 0))).toEqual([
            true,
            false,
            false,
          ])
          expect(house.drops()).toEqual({ nat_filtered: 2 })
        },
      },
    ],
  },
  {
    id: 'REQ-9',
    asks: 'Two guests reach each other by their outside endpoints, and see each other’s outside endpoint as the source.',
    verdict: 'met',
    proofs: [
      {
        shows: 'a hairpin there and back, under the strictest filter',
        run: (house) => {
          leaves(house, 2, 5000, `${A}:53`)
          const [one, other] = [0, 1].map((number) => leaves(house, number, 5000, `${A}:53`))
          house.guest(0, udp(guest(0, 5000), other))
          expect(ends(house.atGuest(1))).toEqual([`${one} > ${guest(1, 5000)}`])
          house.guest(1, udp(guest(1, 5000), one))
          expect(ends(house.atGuest(0))).toEqual([`${other} > ${guest(0, 5000)}`])
        },
      },
    ],
  },
]

const others: Requirement[] = [
  {
    id: 'REQ-10',
    asks: 'No application-level gateways for UDP.',
    verdict: 'met',
    note: 'there are none',
    proofs: [],
  },
  {
    id: 'REQ-11',
    asks: 'The behaviour is the same at any time and under any conditions.',
    verdict: 'met',
    proofs: [
      {
        shows: 'ports that are contested are mapped and filtered as those that are not',
        run: (house) => {
          for (const number of [0, 1, 2, 3]) {
            const out = leaves(house, number, 5000, `${A}:1`)
            expect(leaves(house, number, 5000, `${B}:2`)).toBe(out)
            expect(reaches(house, `${B}:3`, out, number)).toBe(false)
            expect(reaches(house, `${B}:2`, out, number)).toBe(true)
          }
        },
      },
    ],
  },
  {
    id: 'REQ-12',
    asks: 'No ICMP message ends a mapping; errors reach the sender from wherever they come.',
    verdict: 'met',
    proofs: [
      {
        shows: 'unreachables from the server and from a router arrive, and the mapping stays',
        run: (house) => {
          house.guest(0, udp(guest(0, 5000), `${A}:53`))
          const [{ packet }] = house.atOutside()
          for (const from of [A, '198.51.100.77']) {
            for (const code of [0, 1, 3, 13]) house.outside(error(from, packet, 3, code))
            expect(house.atGuest(0).map((got) => read(got.packet).source)).toEqual(new Array(4).fill(from))
          }
          expect(reaches(house, `${A}:53`, `${OUTSIDE}:5000`, 0)).toBe(true)
        },
      },
    ],
  },
  {
    id: 'REQ-13',
    asks: 'What is too long for the way out and may not be fragmented is answered by “fragmentation needed”; the rest is fragmented.',
    verdict: 'met',
    proofs: [
      {
        shows: 'an uplink of 1,400 bytes: an error that names it, or two fragments in order',
        settings: { uplinkMtu: 1400 },
        run: (house) => {
          const long = { payload: new Uint8Array(1460).fill(7) }
          house.guest(0, udp(guest(0, 5000), `${A}:53`, { ...long, fragment: 0x4000 }))
          const [refused] = house.atGuest(0).map(({ packet }) => packet)
          expect([refused[20], refused[21], (refused[26] << 8) | refused[27]]).toEqual([3, 4, 1400])
          expect(house.atOutside()).toEqual([])
          house.guest(0, udp(guest(0, 5000), `${A}:53`, long))
          const pieces = house.atOutside().map(({ packet }) => ((packet[6] << 8) | packet[7]) & 0x3fff)
          expect([pieces.length, pieces[0] & 0x2000, pieces[1] & 0x2000]).toEqual([2, 0x2000, 0])
        },
      },
    ],
  },
  {
    id: 'REQ-14',
    asks: 'Fragments are translated in whatever order they come, and cannot be used to exhaust the NAT.',
    verdict: 'met',
    note: 'limits: test/gateway/fragment.test.ts',
    proofs: [
      {
        shows: 'the last fragment first, both ways',
        run: (house) => {
          const payload = new Uint8Array(1992).map((_, i) => i)
          const whole = udp(guest(0, 5000), `${A}:53`, { payload })
          for (const piece of split(whole, 1008).reverse()) house.guest(0, piece)
          expect(together(house.atOutside())).toEqual(
            udp(`${OUTSIDE}:5000`, `${A}:53`, { payload }).slice(20),
          )
          for (const piece of split(udp(`${A}:53`, `${OUTSIDE}:5000`, { payload }), 1008).reverse())
            house.outside(piece)
          expect(together(house.atGuest(0))).toEqual(udp(`${A}:53`, guest(0, 5000), { payload }).slice(20))
        },
      },
    ],
  },
]

export const chapter: Chapter = {
  rfc: 'RFC 4787',
  title: 'UDP',
  requirements: [...mapping, ...filtering, ...others],
}
