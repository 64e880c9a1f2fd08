/** Translation as tables of packets, through the whole dataplane: what a guest sends, what the world gets, and back. */
import { afterEach, expect, it } from 'vitest'
import { House, int32, OUTSIDE } from '../lab/house.ts'
import { ACK, query, read, type Said, SYN, tcp, udp } from '../lab/transport.ts'

let house: House
afterEach(() => house.close())

const said = (packets: { packet: Uint8Array }[]): Said[] => packets.map(({ packet }) => read(packet))
const ends = (packets: { packet: Uint8Array }[]) => said(packets).map(({ from, to }) => `${from} > ${to}`)

it('translates a guest out and the answer back', () => {
  house = new House()
  house.guest(0, udp('10.0.0.11:5000', '203.0.113.9:53'))
  expect(ends(house.atOutside())).toEqual([`${OUTSIDE}:5000 > 203.0.113.9:53`])
  house.outside(udp('203.0.113.9:53', `${OUTSIDE}:5000`, { payload: [7, 7] }))
  const [answer] = said(house.atGuest(0))
  expect([answer.from, answer.to, answer.payload, answer.ttl]).toEqual([
    '203.0.113.9:53',
    '10.0.0.11:5000',
    '0707',
    63,
  ])
  expect(house.drops()).toEqual({})
})
