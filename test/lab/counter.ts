/** A station by itself: the test is the switch on the other end of its port, frame by frame. */
import { Arena } from '../../src/memory/arena.ts'
import { DATA_AT, VNET_LENGTH } from '../../src/memory/pool.ts'
import { MemoryPort } from '../../src/port/embed.ts'
import { INGRESS, LOCAL, Way } from '../../src/port/memory.ts'
import { Station } from '../../src/service/station.ts'
import { type Bytes, ethernet, ip as four, ipv4, join, sum, u16 } from './frame.ts'

export const MAC = '02:00:00:00:fe:01'
export const GATEWAY = '10.8.0.1'
export const everybody = 'ff:ff:ff:ff:ff:ff'

export class Counter {
  readonly station: Station
  private readonly arena = Arena.create(4 * 2 ** 20)
  private readonly port: MemoryPort
  private readonly out: Way
  private readonly back: Way

  constructor(mtu = 1500) {
    const { at } = this.arena.allocate('port', LOCAL.length)
    this.port = new MemoryPort(this.arena, at, () => {}, LOCAL)
    this.back = new Way(this.arena, at, LOCAL)
    this.out = new Way(this.arena, at + LOCAL.wayLength, LOCAL)
    this.station = new Station(this.port, {
      high: 0x0200,
      low: 0x0000fe01,
      address: (10 << 24) | (8 << 16) | 1,
      mtu,
    })
  }

  /** What the switch gives to the station, and that it does; `partial`: the checksum is still to be made. */
  put(frame: Uint8Array, ingress = 1, partial = false): void {
    const slot = this.out.vacant()
    if (slot < 0) throw new Error('the port is full')
    this.arena.u8.fill(0xa5, slot, slot + LOCAL.stride)
    this.arena.u8.fill(0, slot + DATA_AT - VNET_LENGTH, slot + DATA_AT)
    this.arena.u8[slot + DATA_AT - VNET_LENGTH] = partial ? 1 : 0
    this.arena.u8.set(frame, slot + DATA_AT)
    this.arena.i32[slot >> 2] = frame.length
    this.arena.i32[(slot >> 2) + INGRESS] = ingress
    this.out.publish()
  }

  tell(): void {
    this.port.onframes?.()
  }

  say(frame: Uint8Array, ingress = 1, partial = false): void {
    this.put(frame, ingress, partial)
    this.tell()
  }

  /** Everything that the station sent since. */
  heard(): Uint8Array[] {
    const frames: Uint8Array[] = []
    for (let slot = this.back.oldest(); slot >= 0; slot = this.back.oldest()) {
      frames.push(this.arena.u8.slice(slot + DATA_AT, slot + DATA_AT + this.arena.i32[slot >> 2]))
      this.back.consume()
    }
    return frames
  }

  close(): void {
    this.station.close()
    this.arena.close()
  }
}

export interface Ends {
  from?: string
  to?: string
  source?: string
  destination?: string
  sourcePort?: number
  port?: number
}

/** A UDP datagram in a frame, its checksum by the book. */
export function datagram(payload: Bytes, ends: Ends = {}): Uint8Array {
  const { from = '02:00:00:00:08:01', to = MAC, source = '10.8.0.5', destination = GATEWAY } = ends
  const { sourcePort = 4000, port = 53 } = ends
  const head = join(u16(sourcePort), u16(port), u16(8 + payload.length))
  const pseudo = join(four(source), four(destination), [0, 17], u16(8 + payload.length))
  const checksum = ~sum(join(pseudo, head, [0, 0], payload)) & 0xffff || 0xffff
  const udp = join(head, u16(checksum), payload)
  return ethernet(to, from, 0x0800, ipv4({ source, destination, protocol: 17, fragment: 0 }, udp))
}
