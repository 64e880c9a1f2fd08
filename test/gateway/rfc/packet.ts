/** RFC 4787, the requirements about whole packets: ICMP, fragments, constancy. */
import { expect } from 'vitest'
import { OUTSIDE } from '../../lab/house.ts'
import { error, read, split, together, udp } from '../../lab/transport.ts'
import { A, B, guest, leaves, ROUTER, reaches } from './party.ts'
import type { Requirement } from './requirement.ts'

export const others: Requirement[] = [
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
          for (const from of [A, ROUTER]) {
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
