/** RFC 5508. */
import { expect } from 'vitest'
import { sum, u16 } from '../../lab/frame.ts'
import { type House, INSIDE, int32, OUTSIDE } from '../../lab/house.ts'
import { ends, error, query, read, type Said, udp } from '../../lab/transport.ts'
import type { Chapter, Requirement } from './requirement.ts'

const A = '203.0.113.9'
const B = '203.0.113.10'
const ROUTER = '198.51.100.77'
const SECOND = 1000
const guest = (number: number, port: number) => `10.0.0.${11 + number}:${port}`
const said = (got: { packet: Uint8Array }[]): Said[] => got.map(({ packet }) => read(packet))

/** What arrives outside of a packet that a guest sends. */
function out(house: House, number: number, packet: Uint8Array): Uint8Array {
  house.guest(number, packet)
  const [got] = house.atOutside()
  return got.packet
}

/** A copy of an ICMP message with a byte of its payload changed; `mended`: its checksum made right again. */
function changed(packet: Uint8Array, at: number, mended: boolean): Uint8Array {
  const copy = packet.slice()
  copy[at] ^= 0x55
  if (!mended) return copy
  copy.set([0, 0], 22)
  copy.set(u16(~sum(copy.subarray(20))), 22)
  return copy
}

/** The quoted packet as its sender wrote it but for what changed on its way: time to live and header checksum. */
function quoted(said: Said, sent: Uint8Array): [Uint8Array, Uint8Array] {
  const copy = said.quoted.slice()
  copy.set(sent.subarray(8, 12), 8)
  return [copy, sent.subarray(0, copy.length)]
}

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

const errors: Requirement[] = [
  {
    id: 'REQ-3',
    asks: 'An error with a wrong checksum, or about a packet whose header has one, is dropped silently; options of the quoted header are stepped over, its transport checksum is not looked at, extensions behind it are left alone.',
    verdict: 'met',
    proofs: [
      {
        shows: 'wrong checksum of the message',
        run: (house) => {
          const packet = out(house, 0, udp(guest(0, 5000), `${A}:53`))
          house.outside(changed(error(A, packet, 3, 3), 30, false))
          expect([house.atGuest(0), house.atOutside()]).toEqual([[], []])
          expect(house.drops()).toEqual({ bad_checksum: 1 })
        },
      },
      {
        shows: 'wrong checksum of the quoted header (a)',
        run: (house) => {
          const packet = out(house, 0, udp(guest(0, 5000), `${A}:53`))
          house.outside(changed(error(A, packet, 3, 3), 33, true))
          expect([house.atGuest(0), house.atOutside()]).toEqual([[], []])
        },
      },
      {
        shows: 'a quoted header with options (b)',
        run: (house) => {
          const sent = optional(udp(guest(0, 5000), `${A}:53`))
          const packet = out(house, 0, sent)
          house.outside(error(A, packet, 3, 3, 32))
          const [got] = said(house.atGuest(0))
          expect(quoted(got, sent)[0].subarray(12)).toEqual(quoted(got, sent)[1].subarray(12))
        },
      },
      {
        shows: 'a quoted checksum that is wrong stays wrong, and passes (c)',
        run: (house) => {
          const packet = out(house, 0, udp(guest(0, 5000), `${A}:53`))
          house.outside(changed(error(A, packet, 3, 3), 55, true))
          expect(said(house.atGuest(0)).length).toBe(1)
        },
      },
      {
        shows: 'what stands behind the quoted packet (d)',
        run: (house) => {
          const packet = out(house, 0, udp(guest(0, 5000), `${A}:53`, { payload: new Uint8Array(100) }))
          const extended = new Uint8Array(packet.length + 12).fill(0x20)
          extended.set(packet)
          house.outside(error(A, extended, 11, 0, extended.length))
          const [got] = said(house.atGuest(0))
          expect([...got.quoted.subarray(-12)]).toEqual(new Array(12).fill(0x20))
        },
      },
    ],
  },
  {
    id: 'REQ-4',
    asks: 'An error from outside is dropped if nothing inside is concerned; else the quoted packet becomes what its sender wrote, type and code stay, and the error goes to that sender.',
    verdict: 'met',
    proofs: [
      {
        shows: 'an error about a packet that nobody sent',
        run: (house) => {
          house.outside(error(A, udp(`${OUTSIDE}:5000`, `${A}:53`), 3, 3))
          expect([house.atGuest(0), house.atOutside()]).toEqual([[], []])
        },
      },
      {
        shows:
          'errors of the server and of routers, about UDP and about a query, for a guest whose port is not its own outside',
        run: (house) => {
          out(house, 1, udp(guest(1, 5000), `${B}:1`))
          out(house, 1, query(guest(1, 5000), `${B}:0`))
          for (const sent of [udp(guest(0, 5000), `${A}:53`), query(guest(0, 5000), `${A}:0`)]) {
            const packet = out(house, 0, sent)
            expect(read(packet).port).not.toBe(5000)
            for (const [from, type, code] of [
              [A, 3, 3],
              [ROUTER, 3, 1],
              [ROUTER, 11, 0],
              [ROUTER, 12, 0],
            ] as const) {
              house.outside(error(from, packet, type, code))
              const [got] = said(house.atGuest(0))
              expect([got.source, got.destination, got.type, got.code]).toEqual([
                from,
                '10.0.0.11',
                type,
                code,
              ])
              expect(quoted(got, sent)[0]).toEqual(quoted(got, sent)[1])
            }
          }
        },
      },
    ],
  },
  {
    id: 'REQ-5',
    asks: 'An error from inside is dropped if nothing is concerned; else the quoted packet becomes what was sent from outside, type and code stay, and it comes from the outside address, whoever inside sent it.',
    verdict: 'met',
    proofs: [
      {
        shows: 'an error about a packet that never came in',
        run: (house) => {
          house.guest(0, error('10.0.0.11', udp(`${A}:53`, guest(0, 5000)), 3, 3))
          expect(house.atOutside()).toEqual([])
        },
      },
      {
        shows: 'errors of the guest and of another inside address about an answer',
        run: (house) => {
          out(house, 1, udp(guest(1, 5000), `${B}:1`))
          const { from } = read(out(house, 0, udp(guest(0, 5000), `${A}:53`)))
          const sent = udp(`${A}:53`, from)
          house.outside(sent)
          const [{ packet }] = house.atGuest(0)
          for (const source of ['10.0.0.11', '10.0.0.99']) {
            house.guest(0, error(source, packet, 3, 3))
            const [got] = said(house.atOutside())
            expect([got.source, got.destination, got.type]).toEqual([OUTSIDE, A, 3])
            expect(quoted(got, sent)[0]).toEqual(quoted(got, sent)[1])
          }
        },
      },
    ],
  },
  {
    id: 'REQ-6',
    asks: 'An error about a query neither prolongs nor ends its session.',
    verdict: 'met',
    proofs: [
      {
        shows: 'after an error at 50 s the answer still passes at 59 s; without it, nothing at 61 s',
        run: (house) => {
          for (const [second, isThere] of [
            [9, true],
            [11, false],
          ] as const) {
            const packet = out(house, 0, query(guest(0, 800 + second), `${A}:0`))
            house.rig.time += 50 * SECOND
            house.outside(error(ROUTER, packet, 11, 0))
            expect(house.atGuest(0).length).toBe(1)
            house.rig.time += second * SECOND
            house.outside(query(`${A}:0`, `${OUTSIDE}:${800 + second}`, 0))
            expect(house.atGuest(0).length > 0).toBe(isThere)
          }
        },
      },
    ],
  },
  {
    id: 'REQ-7',
    asks: 'Queries pass in a hairpin where addresses are translated one to one, errors in every hairpin.',
    verdict: 'met',
    proofs: [
      {
        shows: 'a ping to the outside address of another guest, 1:1',
        settings: {
          redirects: [{ protocol: 0, address: int32('198.51.100.9'), to: int32('10.0.0.12'), mutual: true }],
        },
        run: (house) => {
          house.guest(0, query(guest(0, 700), '198.51.100.9:0'))
          expect(ends(house.atGuest(1))).toEqual([`${OUTSIDE}:700 > 10.0.0.12:700`])
          house.guest(1, query('10.0.0.12:0', `${OUTSIDE}:700`, 0))
          expect(ends(house.atGuest(0))).toEqual([`198.51.100.9:700 > ${guest(0, 700)}`])
        },
      },
      {
        shows: 'a refusal of a hairpinned UDP packet',
        run: (house) => {
          out(house, 1, udp(guest(1, 6000), `${A}:53`))
          const sent = udp(guest(0, 5000), `${OUTSIDE}:6000`)
          house.guest(0, sent)
          const [{ packet }] = house.atGuest(1)
          house.guest(1, error('10.0.0.12', packet, 3, 3))
          const [got] = said(house.atGuest(0))
          expect([got.source, got.destination, got.type]).toEqual([OUTSIDE, '10.0.0.11', 3])
          expect(quoted(got, sent)[0]).toEqual(quoted(got, sent)[1])
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

/** The packet with four bytes of options (no operation). */
function optional(packet: Uint8Array): Uint8Array {
  const copy = new Uint8Array(packet.length + 4)
  copy.set(packet.subarray(0, 20))
  copy.set([1, 1, 1, 1], 20)
  copy.set(packet.subarray(20), 24)
  copy[0] = 0x46
  copy.set(u16(copy.length), 2)
  copy.set([0, 0], 10)
  copy.set(u16(~sum(copy.subarray(0, 24))), 10)
  return copy
}

export const chapter: Chapter = {
  rfc: 'RFC 5508',
  title: 'ICMP',
  requirements: [...queries, ...errors, ...own],
}
