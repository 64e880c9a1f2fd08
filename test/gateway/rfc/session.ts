/** RFC 5382, the requirements about how long a connection lives, what it shares and what cannot end it. */
import { expect } from 'vitest'
import { OUTSIDE } from '../../lab/house.ts'
import { ACK, ends, error, FIN, read, SYN, tcp } from '../../lab/transport.ts'
import { Conversation, INSIDE, leaves, published, SERVER } from './conversation.ts'
import { A, guest, MINUTE, ROUTER, SECOND } from './party.ts'
import type { Requirement } from './requirement.ts'

/** What RFC 5382 asks of connections that are not established, by the kernel's names. */
const patient = Object.fromEntries(
  ['SynSent', 'SynRecv', 'FinWait', 'CloseWait', 'LastAck', 'TimeWait', 'SynSent2'].map((state) => [
    `tcp${state}`,
    4 * MINUTE,
  ]),
)

export const rest: Requirement[] = [
  {
    id: 'REQ-5',
    asks: 'An idle connection lives two hours and four minutes if it is established, four minutes if it is being opened or closed.',
    verdict: 'met if configured',
    note: 'established: five days. For the others the defaults are the kernel’s, 30 s to 2 min: four minutes after its end a closed connection would still hold one of 64,512 endpoints. `conntrack.timeouts` takes the longer times',
    proofs: [
      {
        shows: 'established connections after two hours and four minutes, by default',
        run: (house) => {
          const talk = new Conversation(house)
          talk.open()
          for (const back of [true, false]) {
            house.rig.time += 124 * MINUTE
            if (back) expect(talk.back(ACK, 5001, 1001)).toBe(ACK)
            else expect(talk.out(ACK, 1001, 5001)).toBe(ACK)
          }
        },
      },
      {
        shows: 'half-open ones after 3 min 59 s, if configured',
        settings: { timeouts: patient },
        run: (house) => {
          const talk = new Conversation(house)
          talk.out(SYN, 1000)
          house.rig.time += 4 * MINUTE - SECOND
          expect(talk.back(SYN | ACK, 5000, 1001)).toBe(SYN | ACK)
          house.rig.time += 4 * MINUTE - SECOND
          expect(talk.out(ACK, 1001, 5001)).toBe(ACK)
          expect(talk.out(FIN | ACK, 1001, 5001)).toBe(FIN | ACK)
          house.rig.time += 4 * MINUTE - SECOND
          expect(talk.back(FIN | ACK, 5001, 1002)).toBe(FIN | ACK)
        },
      },
    ],
  },
  {
    id: 'REQ-6',
    asks: 'Application-level gateways for TCP are off by default.',
    verdict: 'met',
    note: 'there are none',
    proofs: [],
  },
  {
    id: 'REQ-7',
    asks: 'Two inside endpoints never share an outside endpoint.',
    verdict: 'met',
    proofs: [
      {
        shows: 'the same port of four guests, towards one server, leaves by four ports',
        run: (house) => {
          const from = [0, 1, 2, 3].map((number) => leaves(house, number, 7000, SERVER))
          expect([new Set(from).size, from[0]]).toEqual([4, `${OUTSIDE}:7000`])
        },
      },
      {
        shows: 'a range that is used up gives nothing rather than a shared port',
        settings: { first: 3000, last: 3001 },
        run: (house) => {
          const from = [1, 2, 3].map((port) => leaves(house, 0, port, SERVER))
          expect([new Set(from.slice(0, 2)).size, from[2]]).toEqual([2, 'nothing'])
        },
      },
    ],
  },
  {
    id: 'REQ-8',
    asks: 'Two guests connect by their outside endpoints, and see each other’s outside endpoint as the source.',
    verdict: 'met',
    proofs: [
      {
        shows: 'a published port reached from inside, SYN and SYN/ACK',
        settings: published,
        run: (house) => {
          house.guest(1, tcp(guest(1, 4000), `${OUTSIDE}:8080`, SYN))
          expect(ends(house.atGuest(0))).toEqual([`${OUTSIDE}:4000 > 10.0.0.11:80`])
          house.guest(
            0,
            tcp('10.0.0.11:80', `${OUTSIDE}:4000`, SYN | ACK, { sequence: 9, acknowledged: 1001 }),
          )
          expect(ends(house.atGuest(1))).toEqual([`${OUTSIDE}:8080 > ${guest(1, 4000)}`])
        },
      },
      {
        shows: 'two mapped endpoints',
        run: (house) => {
          const [one, other] = [0, 1].map((number) => leaves(house, number, 5000 + number, SERVER))
          house.guest(0, tcp(guest(0, 5000), other, SYN))
          expect(ends(house.atGuest(1))).toEqual([`${one} > ${guest(1, 5001)}`])
        },
      },
    ],
  },
  {
    id: 'REQ-9',
    asks: 'Destination-unreachable errors about a connection are translated with what they quote.',
    verdict: 'met',
    proofs: [
      {
        shows: 'the guest gets back its own SYN, to the last bit of its checksum',
        run: (house) => {
          const syn = tcp(INSIDE, SERVER, SYN)
          house.guest(0, syn)
          const [{ packet }] = house.atOutside()
          house.outside(error(ROUTER, packet, 3, 1, 40))
          const [got] = house.atGuest(0).map((each) => read(each.packet))
          expect([got.source, got.type, got.flags !== 0]).toEqual([ROUTER, 3, true])
          // Only the time to live is not the one that was sent, and the header's checksum with it.
          const quoted = got.quoted
          quoted.set(syn.subarray(8, 12), 8)
          expect(quoted).toEqual(syn)
        },
      },
    ],
  },
  {
    id: 'REQ-10',
    asks: 'No ICMP message ends a connection or its mapping.',
    verdict: 'met',
    proofs: [
      {
        shows: 'a connection goes on after errors of every kind about its SYN and about its data',
        run: (house) => {
          const talk = new Conversation(house)
          house.guest(0, tcp(INSIDE, SERVER, SYN, { sequence: 1000 }))
          const [{ packet }] = house.atOutside()
          const errors = [0, 1, 2, 3, 4, 10, 13].map((code) => error(A, packet, 3, code))
          for (const each of [...errors, error(A, packet, 11, 0), error(A, packet, 12, 0)])
            house.outside(each)
          expect(house.atGuest(0).length).toBe(9)
          expect([talk.back(SYN | ACK, 5000, 1001), talk.out(ACK, 1001, 5001)]).toEqual([SYN | ACK, ACK])
          for (const each of errors) house.outside(each)
          house.atGuest(0)
          expect(talk.back(ACK, 5001, 1001, { payload: [1] })).toBe(ACK)
        },
      },
    ],
  },
]
