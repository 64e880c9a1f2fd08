/** TCP as guest 0 and a server speak it through the gateway. */
import { expect } from 'vitest'
import { type House, int32, OUTSIDE } from '../../lab/house.ts'
import { ACK, read, type Segment, SYN, tcp } from '../../lab/transport.ts'
import { A, guest } from './party.ts'

export const INSIDE = guest(0, 5000)
export const NAT = `${OUTSIDE}:5000`
export const SERVER = `${A}:80`

/** Port 80 of guest 0. */
export const published = {
  redirects: [{ protocol: 6, first: 8080, last: 8080, to: int32('10.0.0.11'), toFirst: 80 }],
}

/** Flags of the segments that the other side of a conversation got; each is sent as it would be written there. */
export class Conversation {
  private readonly house: House

  constructor(house: House) {
    this.house = house
  }

  /** Guest 0 says something to the server; returns the flags that arrive, -1 if nothing does. */
  out(flags: number, sequence: number, acknowledged = 0, more: Segment = {}): number {
    this.house.guest(0, tcp(INSIDE, SERVER, flags, { sequence, acknowledged, ...more }))
    const [got] = this.house.atOutside()
    return got === undefined ? -1 : read(got.packet).flags
  }

  back(flags: number, sequence: number, acknowledged = 0, more: Segment = {}): number {
    this.house.outside(tcp(SERVER, NAT, flags, { sequence, acknowledged, ...more }))
    const [got] = this.house.atGuest(0)
    return got === undefined ? -1 : read(got.packet).flags
  }

  open(): void {
    expect([this.out(SYN, 1000), this.back(SYN | ACK, 5000, 1001), this.out(ACK, 1001, 5001)]).toEqual([
      SYN,
      SYN | ACK,
      ACK,
    ])
  }
}

/** The outside endpoint that a guest's SYN leaves by. */
export function leaves(house: House, number: number, port: number, to: string): string {
  house.guest(number, tcp(guest(number, port), to, SYN))
  const [got] = house.atOutside()
  return got === undefined ? 'nothing' : read(got.packet).from
}
