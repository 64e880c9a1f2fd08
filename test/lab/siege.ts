/**
 * A gateway under hostile traffic: every frame is accounted for, and what leaves is looked at. Nothing inside shows outside, a checksum
 * that was right is right where the packet leaves, and nobody gets a packet twice.
 */
import { expect } from 'vitest'
import { type Attempt, Hostility, serialOf } from './hostility.ts'
import { type House, INSIDE, OUTSIDE } from './house.ts'
import { type Carried, Ledger, wrongs } from './ledger.ts'
import type { Random } from './random.ts'
import type { Fed } from './rig.ts'
import { completed, headed, sound } from './soundness.ts'
import { together } from './transport.ts'

const UPLINK = 4
const UPLINK_LOCAL = 6
const PORTS = 7
const stations = { guest: '02:00:00:00:01:00', gateway: '02:00:00:00:02:01', outer: '02:00:00:00:02:02' }

/** What is different where rules are in force. */
export interface Law {
  /** addresses that packets may bear outside; null: any but those inside */
  names: string[] | null
  /** guests also speak to each other, past the gateway */
  isBridged: boolean
}

function isInside(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 10 && bytes[at + 1] === 0 && bytes[at + 2] === 0
}

/** True for an ICMP message that quotes a packet. */
function isError(packet: Uint8Array): boolean {
  return packet[9] === 1 && [3, 4, 5, 11, 12].includes(packet[(packet[0] & 15) << 2])
}

/** Identification, protocol and destination. */
function nameOf(packet: Uint8Array): string {
  return [4, 5, 9, 16, 17, 18, 19].map((at) => packet[at]).join()
}

/** True if the gateway sent the frame on. */
function isRouted({ frame }: Carried): boolean {
  return frame[6] === 2 && frame[10] === 2 && frame[12] === 8 && frame[13] === 0
}

/** Whole packets among what a port got, and those made of the pieces that left together. */
function whole(sent: Carried[]): { packet: Uint8Array; vnet: Uint8Array }[] {
  const pieces = new Map<string, { packet: Uint8Array; vnet: Uint8Array }[]>()
  const packets: { packet: Uint8Array; vnet: Uint8Array }[] = []
  for (const { frame, vnet } of sent) {
    const packet = frame.subarray(14)
    if ((((packet[6] << 8) | packet[7]) & 0x3fff) === 0) packets.push({ packet, vnet })
    else {
      const name = [4, 5, 9, 12, 13, 14, 15, 16, 17, 18, 19].map((at) => packet[at]).join()
      pieces.set(name, [...(pieces.get(name) ?? []), { packet, vnet }])
    }
  }
  for (const list of pieces.values()) {
    const first = list.find(({ packet }) => (((packet[6] << 8) | packet[7]) & 0x1fff) === 0)
    expect(first).toBeDefined()
    const header = (first!.packet[0] & 15) << 2
    // Options only make the header longer, which `together` does not know.
    if (header !== 20) continue
    const body = together(list)
    const packet = Uint8Array.from([...first!.packet.subarray(0, 20), ...body])
    new DataView(packet.buffer).setUint16(2, packet.length)
    packet.set([0x40, 0, 64, packet[9], 0, 0], 6)
    const sum = packet
      .subarray(0, 20)
      .reduce((total, byte, at) => total + (at % 2 === 0 ? byte << 8 : byte), 0)
    new DataView(packet.buffer).setUint16(10, ~((sum & 0xffff) + (sum >>> 16)))
    packets.push({ packet, vnet: first!.vnet })
  }
  return packets
}

export class Siege {
  readonly house: House
  readonly ledger: Ledger
  /** numbers of packets that came with right checksums */
  readonly right = new Set<number>()
  /** numbers of those that were seen to leave, with the port */
  readonly seen = new Set<number>()
  /** how many of these asked for a checksum */
  partial = 0
  private readonly hostility: Hostility
  private readonly random: Random
  private readonly law: Law
  /** names of packets that the world itself wrote with inside addresses: told of them, it learns nothing */
  private readonly named = new Set<string>()
  /** inside addresses that the world spoke to, with who did */
  private readonly greeted = new Set<string>()

  constructor(house: House, random: Random, law: Law) {
    this.house = house
    this.random = random
    this.law = law
    this.hostility = new Hostility(random, { inside: INSIDE, outside: OUTSIDE })
    this.ledger = new Ledger(house)
    this.ledger.given += house.rig.dropped()
  }

  /** One attempt, or bursts of many from all sides; returns how many. */
  give(): number {
    const { house, ledger, random, hostility } = this
    const count = random.once(20) ? 2 + random.below(60) : 1
    const bursts = new Map<number, Fed[]>()
    for (let i = 0; i < count; i++) {
      const { port, fed } = this.frames(hostility.next())
      bursts.set(port, [...(bursts.get(port) ?? []), ...fed])
    }
    for (const [port, fed] of bursts) {
      house.rig.send(port, ...fed)
      ledger.given += fed.length
    }
    return count
  }

  /** An attempt as a frame, noted with what is known of it, and sometimes noise behind it. */
  private frames(attempt: Attempt): { port: number; fed: Fed[] } {
    const { house, random, right } = this
    const { port, frame } = house.wrap(attempt.from, attempt.packet)
    if (attempt.from < 0) this.note(attempt.packet)
    if (attempt.serial >= 0) {
      const isWhole = attempt.kind !== 'fragment'
      const isRight = isWhole && sound({ packet: attempt.packet, vnet: attempt.vnet })
      if (isRight) right.add(serialOf(completed(attempt)))
    }
    // To another guest, or to one that is not there.
    if (this.law.isBridged && port !== UPLINK && random.once(6)) frame.set([1, random.below(6)], 4)
    const fed: Fed[] = [{ frame, vnet: attempt.vnet }]
    const gateway = port === UPLINK ? stations.outer : stations.gateway
    if (random.once(20)) fed.push({ frame: this.hostility.noise(stations.guest, gateway) })
    return { port, fed }
  }

  /** What the world itself says of addresses inside. */
  private note(packet: Uint8Array): void {
    if (isInside(packet, 12) || isInside(packet, 16)) this.named.add(nameOf(packet))
    if (isInside(packet, 16)) this.greeted.add(packet.subarray(12, 20).join())
  }

  /** Everything that leaves until nobody asks for a MAC any more. */
  settle(): void {
    for (let asked = true; asked; ) {
      asked = false
      const all = this.ledger.collect()
      for (let port = 0; port <= UPLINK; port++) {
        const sent = all.filter((each) => each.port === port)
        this.inspect(port, sent)
        for (const { frame } of sent) {
          if (frame[12] !== 8 || frame[13] !== 6 || !this.house.answer(port, frame)) continue
          this.ledger.given++
          asked = true
        }
      }
    }
  }

  /** What left a port of its own accord or because of the last frame. */
  private inspect(port: number, sent: Carried[]): void {
    const routed = sent.filter(isRouted)
    for (const { frame, vnet, isOwn } of routed) {
      const packet = frame.subarray(14)
      expect(headed(packet)).toBe(true)
      if (isOwn) expect(sound({ packet, vnet })).toBe(true)
      if (port === UPLINK) this.checkSecret(packet)
      // An error goes back to where its cause came from, whatever address that had given itself.
      else if (!isOwn) expect(isInside(packet, 16), hexOf(packet)).toBe(true)
    }
    for (const each of whole(routed)) {
      // No error passes whose checksum is wrong, so each that passed must leave with a right one; rules may let INVALID packets pass.
      if (isError(each.packet) && this.law.names !== null) expect(sound(each)).toBe(true)
      this.inspectNumbered(port, each)
    }
    const bridged = sent.filter((each) => !isRouted(each) && each.frame[12] === 8 && each.frame[13] === 0)
    for (const { frame, vnet } of this.law.isBridged ? bridged : [])
      this.inspectNumbered(port, { packet: frame.subarray(14), vnet })
    const guest = port === UPLINK ? -1 : port
    for (const { frame } of routed) this.hostility.saw(guest, frame.slice(14))
  }

  private inspectNumbered(port: number, each: { packet: Uint8Array; vnet: Uint8Array }): void {
    const serial = serialOf(each.packet)
    if (!this.right.has(serial)) return
    expect(sound(each)).toBe(true)
    // Nobody gets a packet twice; the copies of a flood are several stations'.
    expect(this.seen.has(serial * PORTS + port)).toBe(false)
    this.seen.add(serial * PORTS + port)
    if (each.vnet[0] === 1) this.partial++
  }

  /** An IPv4 packet that the gateway let out by the uplink shows nothing of inside: not in its addresses, not in a packet that it quotes. */
  private checkSecret(packet: Uint8Array): void {
    const source = [...packet.subarray(12, 16)].join('.')
    if (this.law.names !== null) expect(this.law.names).toContain(source)
    else if (isInside(packet, 12)) {
      // Where a rule lets somebody in to an address inside, the answers bear it.
      const asked = [...packet.subarray(16, 20), ...packet.subarray(12, 16)].join()
      expect(this.greeted.has(asked), `${source} shows`).toBe(true)
    }
    const header = (packet[0] & 15) << 2
    const isFirst = (((packet[6] << 8) | packet[7]) & 0x1fff) === 0
    if (!isError(packet) || !isFirst || packet.length < header + 28) return
    const about = packet.subarray(header + 8)
    if (this.named.has(nameOf(about)) || this.greeted.has(about.subarray(12, 20).join())) return
    expect([isInside(about, 12), isInside(about, 16)]).toEqual([false, false])
  }

  audit(): void {
    const { house, ledger, random } = this
    const wrong = wrongs(house.parts, UPLINK_LOCAL)
    if (ledger.missing !== 0) wrong.push(`${ledger.missing} frames are missing`)
    expect(wrong, `seed ${random.seed}`).toEqual([])
  }

  /** Time goes on. */
  pass(): void {
    const { house, random } = this
    const dice = random.below(5000)
    house.rig.time = (house.rig.time + (dice === 0 ? 130_000 : dice < 20 ? 5000 : random.below(4))) | 0
  }

  /** All that waits comes to its end. */
  finish(): void {
    const { house } = this
    for (let second = 0; second < 700; second++) {
      house.rig.time = (house.rig.time + 1000) | 0
      this.settle()
    }
    this.audit()
    expect(house.rig.pool.free).toBe(house.rig.pool.count)
    expect([house.parts.flows.count, house.parts.nat.bindings.count, this.ledger.held]).toEqual([0, 0, 0])
  }
}

/** A packet's first bytes, for who reads a failure. */
function hexOf(packet: Uint8Array): string {
  return Buffer.from(packet.subarray(0, 60)).toString('hex')
}
