/** RFC 5382. */
import { expect } from 'vitest'
import * as program from '../../../src/pipeline/program.ts'
import { type House, OUTSIDE } from '../../lab/house.ts'
import { ACK, ends, FIN, RST, read, SYN, tcp } from '../../lab/transport.ts'
import { Conversation, leaves, NAT, published, SERVER } from './conversation.ts'
import { A, B, SECOND } from './party.ts'
import type { Chapter, Requirement } from './requirement.ts'
import { rest } from './session.ts'

function knocks(house: House, from: string, to: string, number: number): boolean {
  house.outside(tcp(from, to, SYN, { sequence: 77 }))
  return house.atGuest(number).length > 0
}

const connections: Requirement[] = [
  {
    id: 'REQ-1',
    asks: 'One inside endpoint has one outside endpoint, whoever it talks to.',
    verdict: 'met',
    note: 'the default; `nat.mapping` offers the other two behaviours',
    proofs: [
      {
        shows: 'four connections from one port leave by one',
        run: (house) => {
          leaves(house, 1, 5000, `${A}:1`)
          const from = new Set(
            [`${A}:1`, `${A}:2`, `${B}:1`, `${B}:2`].map((to) => leaves(house, 0, 5000, to)),
          )
          expect(from.size).toBe(1)
          expect([...from]).not.toContain(NAT)
        },
      },
    ],
  },
  {
    id: 'REQ-2',
    asks: 'Every valid sequence of TCP passes, for connections from inside and for permitted ones from outside: the handshake in three steps and the simultaneous open.',
    verdict: 'met',
    proofs: [
      {
        shows: 'handshake, data and both ends’ FIN, opened from inside',
        run: (house) => {
          const talk = new Conversation(house)
          talk.open()
          expect([
            talk.out(ACK, 1001, 5001, { payload: [1, 2, 3] }),
            talk.back(ACK, 5001, 1004, { payload: [4, 5] }),
            talk.out(FIN | ACK, 1004, 5003),
            talk.back(ACK, 5003, 1005),
            talk.back(FIN | ACK, 5003, 1005),
            talk.out(ACK, 1005, 5004),
          ]).toEqual([ACK, ACK, FIN | ACK, ACK, FIN | ACK, ACK])
          expect(house.drops()).toEqual({})
        },
      },
      {
        shows: 'handshake and data of a published port, opened from outside',
        settings: published,
        run: (house) => {
          house.outside(tcp(`${A}:999`, `${OUTSIDE}:8080`, SYN, { sequence: 1 }))
          expect(ends(house.atGuest(0))).toEqual([`${A}:999 > 10.0.0.11:80`])
          house.guest(0, tcp('10.0.0.11:80', `${A}:999`, SYN | ACK, { sequence: 9, acknowledged: 2 }))
          expect(ends(house.atOutside())).toEqual([`${OUTSIDE}:8080 > ${A}:999`])
          house.outside(
            tcp(`${A}:999`, `${OUTSIDE}:8080`, ACK, { sequence: 2, acknowledged: 10, payload: [1, 2] }),
          )
          expect(read(house.atGuest(0)[0].packet).payload).toBe('0102')
        },
      },
      {
        shows: 'simultaneous open: two SYNs that cross, then data',
        run: (house) => {
          const talk = new Conversation(house)
          expect([
            talk.out(SYN, 1000),
            talk.back(SYN, 5000),
            talk.out(SYN | ACK, 1000, 5001),
            talk.back(SYN | ACK, 5000, 1001),
            talk.out(ACK, 1001, 5001, { payload: [1] }),
            talk.back(ACK, 5001, 1002, { payload: [2] }),
          ]).toEqual([SYN, SYN, SYN | ACK, SYN | ACK, ACK, ACK])
        },
      },
      {
        shows: 'a SYN sent again, and a connection reset and opened anew from the same port',
        run: (house) => {
          const talk = new Conversation(house)
          expect([talk.out(SYN, 1000), talk.out(SYN, 1000)]).toEqual([SYN, SYN])
          expect(talk.back(RST | ACK, 0, 1001)).toBe(RST | ACK)
          talk.open()
        },
      },
    ],
  },
  {
    id: 'REQ-3',
    asks: 'Endpoint-independent filtering for transparency, address-dependent filtering for strictness; the operator chooses.',
    verdict: 'met if configured',
    note: 'the default is stricter than both, as Linux: address- and port-dependent',
    proofs: [
      {
        shows: 'endpoint-independent: anybody’s SYN reaches a mapping',
        settings: { filtering: program.ENDPOINT_INDEPENDENT },
        run: (house) => {
          const out = leaves(house, 0, 5000, SERVER)
          expect([`${A}:81`, `${B}:80`].map((from) => knocks(house, from, out, 0))).toEqual([true, true])
        },
      },
      {
        shows: 'address-dependent: a SYN from an address that was spoken to',
        settings: { filtering: program.ADDRESS_DEPENDENT },
        run: (house) => {
          const out = leaves(house, 0, 5000, SERVER)
          expect([`${A}:81`, `${B}:80`].map((from) => knocks(house, from, out, 0))).toEqual([true, false])
        },
      },
      {
        shows: 'address- and port-dependent: nobody else’s',
        run: (house) => {
          const out = leaves(house, 0, 5000, SERVER)
          expect([`${A}:81`, `${B}:80`].map((from) => knocks(house, from, out, 0))).toEqual([false, false])
        },
      },
    ],
  },
  {
    id: 'REQ-4',
    asks: 'An unsolicited SYN is not answered for six seconds, and not at all if the inside opens the same connection meanwhile; else an error should follow.',
    verdict: 'met',
    note: 'no error follows later either: silence towards the outside is the policy, which (a) allows',
    proofs: [
      {
        shows: 'nothing answers the SYN, and the inside’s own SYN then opens the connection',
        run: (house) => {
          expect(new Conversation(house).back(SYN, 5000)).toBe(-1)
          house.rig.time += 5 * SECOND
          expect(house.atOutside()).toEqual([])
          new Conversation(house).open()
          house.rig.time += 30 * SECOND
          expect(house.atOutside()).toEqual([])
        },
      },
    ],
  },
]

export const chapter: Chapter = { rfc: 'RFC 5382', title: 'TCP', requirements: [...connections, ...rest] }
