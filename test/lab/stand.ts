/**
 * The gateway's parts without the stage that drives them: one network with its link, ports that keep what they are given, and packets
 * as the stage would place them. Slots are full of 0xa5 before a frame is written into them.
 */
import { Arp } from '../../src/gateway/arp.ts'
import { Ask } from '../../src/gateway/ask.ts'
import { Fragments } from '../../src/gateway/fragment.ts'
import { Hold } from '../../src/gateway/hold.ts'
import { Icmp } from '../../src/gateway/icmp.ts'
import { Link } from '../../src/gateway/link.ts'
import { Links } from '../../src/gateway/links.ts'
import { Outbox } from '../../src/gateway/outbox.ts'
import { Packet } from '../../src/gateway/packet.ts'
import { Arena } from '../../src/memory/arena.ts'
import { BLOCK_LENGTH, LENGTHS } from '../../src/memory/block.ts'
import { block, DROPS, PORT_COUNT_MAX, rowOf } from '../../src/memory/counters.ts'
import { Pool, STRIDE } from '../../src/memory/pool.ts'
import { Capture } from '../../src/pipeline/capture.ts'
import { Crossing } from '../../src/pipeline/crossing.ts'
import { Deliver } from '../../src/pipeline/deliver.ts'
import * as layout from '../../src/pipeline/layout.ts'
import { REASONS } from '../../src/pipeline/reason.ts'
import { Segmenter } from '../../src/pipeline/segment.ts'
import { Network } from '../../src/port/network.ts'
import { Port } from '../../src/port/port.ts'
import type { Queue } from '../../src/port/queue.ts'
import * as macs from '../../src/table/mac.ts'
import { lengthOf, Neighbours } from '../../src/table/neighbour.ts'
import * as vnet from '../../src/wire/vnet.ts'

export interface Sent {
  port: number
  frame: Uint8Array
  vnet: Uint8Array
}

/** The gateway's own port; guests are behind 1 to `ports`. */
export const OWN = 0
export const GATEWAY = { mac: '02:aa:00:00:00:01', address: '10.7.0.1' }

export function address(text: string): number {
  return text.split('.').reduce((value, part) => (value << 8) | Number(part), 0)
}

export interface Options {
  ports?: number
  frames?: number
  neighbours?: number
  mtu?: number
  /** what the ports are given is forgotten at once */
  deaf?: boolean
}

export class Stand {
  readonly arena: Arena
  readonly pool: Pool
  readonly counters: Float64Array
  readonly ports: Port[]
  readonly network: Network
  readonly link: Link
  readonly outbox: Outbox
  readonly neighbours: Neighbours
  readonly ask: Ask
  readonly icmp: Icmp
  readonly fragments: Fragments
  readonly hold: Hold
  readonly arp: Arp
  readonly packet: Packet
  private readonly sent: Sent[] = []
  private readonly deaf: boolean

  constructor({ ports = 4, frames = 512, neighbours = 64, mtu = 1500, deaf = false }: Options = {}) {
    this.deaf = deaf
    const arena = Arena.create(frames * STRIDE + 32 * 2 ** 20)
    this.arena = arena
    const places = layout.worker(arena, 0, frames)
    this.counters = block(arena, 0)
    this.pool = new Pool(arena, arena.allocate('pool', frames * STRIDE).at, places.stackAt, 0, frames)
    const alone = { onward: [null], home: [null], arriving: [null], returning: [null] }
    const crossing = new Crossing(arena, this.pool, frames, alone, [])
    const none = layout.none(arena)
    this.ports = new Array(PORT_COUNT_MAX).fill(none)
    const macsAt = arena.allocate('mac/1', macs.lengthOf(1024)).at
    const table = new macs.MacTable(arena, macsAt, 1024, 300_000, PORT_COUNT_MAX)
    this.network = new Network(1, 0, mtu, table)
    for (let index = 0; index <= ports; index++) this.plug(index)
    this.network.members = this.ports.filter((port) => port !== none && port.index !== OWN)
    this.link = new Link(this.network, this.ports[OWN])
    this.network.link = this.link
    Object.assign(this.link, { high: 0x02aa, low: 1, address: address(GATEWAY.address), mask: -256, mtu })
    const segmenter = new Segmenter(arena, this.pool, places.segmentAt)
    const capture = new Capture(arena, places.captureAt)
    const deliver = new Deliver(
      ...([arena, this.pool, this.counters, this.ports] as const),
      ...([crossing, segmenter, capture, places.segmentAt, 0] as const),
    )
    const outboxAt = arena.allocate('outbox', BLOCK_LENGTH).at
    this.outbox = new Outbox(arena, this.pool, deliver, crossing, outboxAt)
    this.neighbours = new Neighbours(arena, arena.allocate('neighbours', lengthOf(neighbours)).at, neighbours)
    const { view, u8 } = arena
    this.ask = new Ask(view, this.pool, this.outbox)
    this.ask.links.push(null, this.link)
    const links = new Links()
    links.list = [this.link]
    this.icmp = new Icmp(u8, view, this.pool, this.outbox, links)
    const shared = [this.pool, this.counters, this.ports] as const
    this.fragments = new Fragments(arena, ...shared, this.outbox, this.icmp)
    const speech = [this.neighbours, this.ask, this.icmp, this.fragments, this.outbox] as const
    this.hold = new Hold(view, ...shared, ...speech)
    this.arp = new Arp(view, this.neighbours, this.ask, this.hold)
    this.packet = new Packet(none, this.link)
  }

  private plug(index: number): void {
    const blockAt = this.arena.allocate(`port/${index}`, BLOCK_LENGTH).at
    const port = new Port(index, index + 1, this.network, rowOf(index), blockAt)
    port.mtu = this.network.mtu
    port.offloads = 31
    port.local = index === OWN
    port.queue = this.queue(index)
    this.ports[index] = port
  }

  private queue(port: number): Queue {
    const { arena } = this
    const transmit = (blockAt: number, count: number): number => {
      const base = blockAt >> 2
      for (let i = 0; i < count; i++) {
        const at = this.pool.frameAt(arena.i32[base + i])
        const length = arena.i32[base + LENGTHS + i]
        arena.i32[base + 2 * LENGTHS + i] = 0
        if (this.deaf) continue
        this.sent.push({ port, frame: arena.u8.slice(at, at + length), vnet: arena.u8.slice(at - 10, at) })
      }
      return count
    }
    return { fd: -1, quiet: true, receive: () => 0, transmit, close: () => undefined }
  }

  /** Puts a frame into a slot of the pool; returns its index. */
  frame(bytes: Uint8Array, header?: Uint8Array): number {
    const frame = this.pool.take()
    const at = this.pool.frameAt(frame)
    this.arena.u8.fill(0xa5, at, at + bytes.length + 256)
    this.arena.u8.fill(0, at - 10, at)
    if (header) this.arena.u8.set(header, at - 10)
    this.arena.u8.set(bytes, at)
    return frame
  }

  /** Makes `packet` that of a frame that came from `port`. */
  place(port: number, bytes: Uint8Array, header?: Uint8Array): Packet {
    const frame = this.frame(bytes, header)
    const at = this.pool.frameAt(frame)
    this.packet.place(0, frame, at, bytes.length, vnet.work(this.arena.view, at - vnet.LENGTH))
    this.packet.port = this.ports[port]
    this.packet.ingress = this.link
    return this.packet
  }

  /** A port says something by ARP; returns what the gateway makes of it. */
  hear(port: number, bytes: Uint8Array, now: number): number {
    const frame = this.frame(bytes)
    const high = (bytes[6] << 8) | bytes[7]
    const low = new DataView(bytes.buffer, bytes.byteOffset).getInt32(8)
    const entry = this.network.macs.find(high, low)
    if (entry < 0) this.network.macs.insert(high, low, port, macs.DYNAMIC, now)
    else this.network.macs.move(entry, port, now)
    const said = this.arp.hear(this.pool.frameAt(frame), bytes.length, this.ports[port], this.link, now)
    this.pool.give(frame)
    return said
  }

  /** Lets time pass. */
  tick(now: number): void {
    this.hold.tick(now)
    this.fragments.tick(now)
  }

  /** What the ports were given since the last call. */
  out(): Sent[] {
    this.outbox.flush()
    return this.sent.splice(0)
  }

  drops(port: number): Record<string, number> {
    const row = rowOf(port) + DROPS
    const entries = REASONS.map(({ name }, number) => [name, this.counters[row + number]] as const)
    return Object.fromEntries(entries.filter(([, count]) => count !== 0))
  }

  close(): void {
    this.arena.close()
  }
}
