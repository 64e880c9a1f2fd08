/** A DHCP server across the counter: one message in, its answers out, where the LAN would see them. */
import * as message from '../../src/service/dhcp/message.ts'
import type { Settings } from '../../src/service/dhcp/option.ts'
import { Server } from '../../src/service/dhcp/server.ts'
import { Leases } from '../../src/service/dhcp/store.ts'
import * as dhcp from '../../src/wire/dhcp.ts'
import { Counter, datagram, everybody } from './counter.ts'
import { Diary, four, settings } from './dhcp.ts'
import { mac as macBytes } from './frame.ts'

export const station = (number: number) => `02:00:00:00:08:${number.toString(16).padStart(2, '0')}`
export const text = (address: number) => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')

export interface Ask {
  type: number
  mac?: string
  ciaddr?: string
  giaddr?: string
  flags?: number
  options?: [number, Uint8Array][]
  from?: string
  source?: string
  to?: string
  ingress?: number
}
export interface Answer {
  type: number
  yiaddr: string
  to: string
  destination: string
  port: number
  options: Map<number, Uint8Array>
}

function answers(frame: Uint8Array): Answer[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (view.getUint16(12) !== 0x0800) return []
  const got = message.parse(frame.subarray(42))!
  const to = [...frame.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
  const destination = text(view.getInt32(30))
  return [
    {
      type: got.type,
      yiaddr: text(got.yiaddr),
      to,
      destination,
      port: view.getUint16(36),
      options: got.options,
    },
  ]
}

export const address = (code: number, value: string): [number, Uint8Array] => [
  code,
  message.int32(four(value)),
]
export const ours = address(dhcp.SERVER, '10.8.0.1')

export class Clerk {
  readonly counter = new Counter()
  readonly diary = new Diary()
  readonly leases: Leases
  readonly server: Server

  constructor(more: Partial<Settings> = {}) {
    this.leases = new Leases(null, this.diary)
    this.server = new Server(this.counter.station, settings(more), this.leases, this.diary)
    this.counter.heard()
  }

  async close(): Promise<void> {
    this.server.close()
    this.counter.close()
    await this.leases.close()
  }

  /** The answers to a message, as the LAN would see them. */
  ask({ type, mac = station(1), ciaddr = '0.0.0.0', giaddr = '0.0.0.0', ...more }: Ask): Answer[] {
    const { flags = 0, options = [], from = mac, source = ciaddr, to = everybody, ingress = 1 } = more
    const bytes = macBytes(mac)
    const payload = message.write(
      {
        op: dhcp.REQUEST_OP,
        type,
        xid: 0x1234,
        secs: 0,
        flags,
        ciaddr: four(ciaddr),
        yiaddr: 0,
        giaddr: four(giaddr),
        high: (bytes[0] << 8) | bytes[1],
        low: four(bytes.slice(2).join('.')),
        options: new Map(options),
      },
      548,
    )
    const destination = to === everybody ? '255.255.255.255' : '10.8.0.1'
    this.counter.say(datagram(payload, { from, to, source, destination, sourcePort: 68, port: 67 }), ingress)
    return this.counter.heard().flatMap((frame) => answers(frame))
  }

  /** The four messages; the address. */
  exchange(number: number, more: Partial<Ask> = {}): string {
    const mac = station(number)
    const [offer] = this.ask({ type: dhcp.DISCOVER, mac, ...more })
    if (offer === undefined) return ''
    const wanted = address(dhcp.ADDRESS, offer.yiaddr)
    const options = [...(more.options ?? []), wanted, ours]
    const [answer] = this.ask({ type: dhcp.REQUEST, mac, ...more, options })
    return answer.type === dhcp.ACK ? answer.yiaddr : ''
  }

  /** Addresses that are leased. */
  bound(): string[] {
    return this.leases.list().map((lease) => text(lease.address))
  }
}
