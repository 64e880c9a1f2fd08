/** Who talks in the scorecard, and the two questions that it asks most. */
import type { House } from '../../lab/house.ts'
import { read, udp } from '../../lab/transport.ts'

/** servers outside */
export const A = '203.0.113.9'
export const B = '203.0.113.10'
/** a router on the way to them */
export const ROUTER = '198.51.100.77'
export const SECOND = 1000
export const MINUTE = 60 * SECOND

export const guest = (number: number, port: number) => `10.0.0.${11 + number}:${port}`

/** The outside endpoint that a guest's packet leaves by. */
export function leaves(house: House, number: number, port: number, to: string): string {
  house.guest(number, udp(guest(number, port), to))
  const [got] = house.atOutside()
  return got === undefined ? 'nothing' : read(got.packet).from
}

/** Whether what `from` sends to that outside endpoint reaches the guest. */
export function reaches(house: House, from: string, to: string, number: number): boolean {
  house.outside(udp(from, to))
  return house.atGuest(number).length > 0
}
