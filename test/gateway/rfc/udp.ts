/** RFC 4787. */
import { expect } from 'vitest'
import * as program from '../../../src/pipeline/program.ts'
import { OUTSIDE } from '../../lab/house.ts'
import { ends, udp } from '../../lab/transport.ts'
import { others } from './packet.ts'
import { A, B, guest, leaves, reaches } from './party.ts'
import type { Chapter, Requirement } from './requirement.ts'

const MINUTE = 60_000

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
    verdict: 'met in part',
    note: 'the link to the host is chosen around what the host and the networks have, and a written outside address in the inside subnet is refused (test/control); an address that a DHCP server outside gives is not compared',
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

export const chapter: Chapter = {
  rfc: 'RFC 4787',
  title: 'UDP',
  requirements: [...mapping, ...filtering, ...others],
}
