/** RFC 5508. */
import { expect } from 'vitest'
import { INSIDE, OUTSIDE } from '../../lab/house.ts'
import { ends, query, read, udp } from '../../lab/transport.ts'
import { errors } from './error.ts'
import { A, B, guest, SECOND } from './party.ts'
import { out, quoted, said } from './quote.ts'
import type { Chapter, Requirement } from './requirement.ts'

const queries: Requirement[] = [
  {
    id: 'REQ-1',
    asks: 'Queries from inside and their answers pass; an identifier keeps its outside identifier, whomever it asks.',
    verdict: 'met',
    proofs: [
      {
        shows: 'echo and timestamp there and back',
        run: (house) => {
          for (const [type, answer] of [
            [8, 0],
            [13, 14],
          ]) {
            const packet = out(house, 0, query(guest(0, 700), `${A}:0`, type))
            expect([read(packet).from, read(packet).type]).toEqual([`${OUTSIDE}:700`, type])
            house.outside(query(`${A}:0`, `${OUTSIDE}:700`, answer))
            expect(said(house.atGuest(0)).map(({ to, type }) => [to, type])).toEqual([
              [guest(0, 700), answer],
            ])
          }
        },
      },
      {
        shows: 'two guests with one identifier are told apart, and each keeps its own (a)',
        run: (house) => {
          const id = (number: number, to: string) =>
            read(out(house, number, query(guest(number, 700), `${to}:0`))).port
          const ids = [id(0, A), id(1, A), id(1, B), id(0, B)]
          expect([ids[0], ids[1] === ids[2], ids[0] === ids[3], ids[0] === ids[1]]).toEqual([
            700,
            true,
            true,
            false,
          ])
          house.outside(query(`${A}:0`, `${OUTSIDE}:${ids[1]}`, 0))
          expect(ends(house.atGuest(1))).toEqual([`${A}:700 > ${guest(1, 700)}`])
        },
      },
    ],
  },
  {
    id: 'REQ-2',
    asks: 'A query waits for its answer for 60 seconds at least; the time can be configured.',
    verdict: 'met',
    note: '`conntrack.timeouts.icmp`',
    proofs: [
      {
        shows: 'answered after 59 s; after 61 s nobody is waiting',
        run: (house) => {
          out(house, 0, query(guest(0, 700), `${A}:0`))
          house.rig.time += 59 * SECOND
          house.outside(query(`${A}:0`, `${OUTSIDE}:700`, 0))
          expect(house.atGuest(0).length).toBe(1)
          house.rig.time += 61 * SECOND
          house.outside(query(`${A}:0`, `${OUTSIDE}:700`, 0))
          expect(house.atGuest(0).length).toBe(0)
        },
      },
    ],
  },
]

const own: Requirement[] = [
  {
    id: 'REQ-8',
    asks: 'Who cannot get a mapping or may not have one is told so: unreachable, communication administratively prohibited.',
    verdict: 'met',
    proofs: [
      {
        shows: 'a guest that finds all ports taken',
        settings: { first: 3000, last: 3000 },
        run: (house) => {
          out(house, 1, udp(guest(1, 1), `${A}:1`))
          const sent = udp(guest(0, 5000), `${A}:53`)
          house.guest(0, sent)
          const [got] = said(house.atGuest(0))
          expect([got.source, got.type, got.code]).toEqual([INSIDE, 3, 13])
          expect(quoted(got, sent)[0]).toEqual(sent)
          expect(house.drops()).toEqual({ nat_exhausted: 1 })
        },
      },
    ],
  },
  {
    id: 'REQ-9',
    asks: 'There may be a policy that keeps ICMP messages of the NAT away from an interface.',
    verdict: 'does not apply',
    note: 'a liberty that is not taken; the gateway’s own messages are limited in rate',
    proofs: [],
  },
  {
    id: 'REQ-10',
    asks: 'Unreachable, time exceeded and echo are supported as of a router.',
    verdict: 'met',
    proofs: [
      {
        shows: 'echo to the inside and the outside address, time exceeded for a guest',
        run: (house) => {
          house.guest(0, query(guest(0, 7), `${INSIDE}:0`))
          house.outside(query(`${A}:7`, `${OUTSIDE}:0`))
          house.guest(0, udp(guest(0, 5000), `${A}:53`, { ttl: 1 }))
          const [answer, late] = said(house.atGuest(0))
          expect([answer.source, answer.type, late.source, late.type]).toEqual([INSIDE, 0, INSIDE, 11])
          expect(ends(house.atOutside())).toEqual([`${OUTSIDE}:7 > ${A}:7`])
        },
      },
    ],
  },
  {
    id: 'REQ-11',
    asks: 'ICMP messages that are neither queries nor errors may be dropped.',
    verdict: 'met',
    note: 'they are',
    proofs: [
      {
        shows: 'a router advertisement goes nowhere',
        run: (house) => {
          const packet = query(guest(0, 1), `${A}:0`, 9)
          house.guest(0, packet)
          expect([house.atOutside(), house.drops()]).toEqual([[], { conntrack_invalid: 1 }])
        },
      },
    ],
  },
]

export const chapter: Chapter = {
  rfc: 'RFC 5508',
  title: 'ICMP',
  requirements: [...queries, ...errors, ...own],
}
