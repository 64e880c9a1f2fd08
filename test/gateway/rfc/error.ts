/** RFC 5508, the requirements about errors that pass. */
import { expect } from 'vitest'
import { int32, OUTSIDE } from '../../lab/house.ts'
import { ends, error, query, read, udp } from '../../lab/transport.ts'
import { A, B, guest, ROUTER, SECOND } from './party.ts'
import { changed, optional, out, quoted, said } from './quote.ts'
import type { Requirement } from './requirement.ts'

export const errors: Requirement[] = [
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
