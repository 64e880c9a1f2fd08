/**
 * Every frame that a house was given, and what became of it: frames in = frames out + dropped + held + taken by the gateway. What has no
 * trace outside, an answered question or a fragment that was copied, is heard at the part that took it. The tables are counted anew.
 */
import { TAKEN } from '../../src/gateway/packet.ts'
import type { Parts } from '../../src/gateway/parts.ts'
import * as binding from '../../src/table/binding.ts'
import * as flow from '../../src/table/flow.ts'
import type { House } from './house.ts'
import type { Sent } from './rig.ts'

export interface Carried extends Sent {
  port: number
  /** what the gateway says of its own: ARP and ICMP errors */
  isOwn: boolean
}

const PORTS = 7
/** how the name of a packet in pieces begins */
const PIECE = 'pieces of '

export class Ledger {
  given = 0
  left = 0
  taken = 0
  /** drops of fragments that had been taken before */
  late = 0
  private readonly house: House
  /** ICMP errors and resets that the gateway sent of its own and that did not leave yet: how often, by their bytes */
  private readonly said = new Map<string, number>()

  constructor(house: House) {
    this.house = house
    const { arp, fragments, icmp } = house.parts
    this.hear(arp, 'hear', (answer) => this.take(answer))
    this.hear(fragments, 'add', (answer) => this.take(answer))
    const permits = icmp.permits.bind(icmp)
    icmp.permits = (at, length, ...rest) => {
      const isOut = permits(at, length, ...rest)
      if (isOut) this.note(at, length)
      return isOut
    }
    const give = fragments['give'].bind(fragments)
    fragments['give'] = (d: number, why: number) => {
      const before = this.dropped
      give(d, why)
      this.late += this.dropped - before
    }
  }

  /** Notes the frame at `at` as the gateway's own. */
  private note(at: number, length: number): void {
    const name = hex(this.house.rig.arena.u8.subarray(at, at + length))
    this.said.set(name, (this.said.get(name) ?? 0) + 1)
  }

  /** Listens to what a part answers. */
  private hear(part: object, name: string, listen: (answer: number) => void): void {
    const methods = part as Record<string, (...given: unknown[]) => number>
    const method = methods[name].bind(part)
    methods[name] = (...given) => {
      const answer = method(...given)
      listen(answer)
      return answer
    }
  }

  private take(answer: number): void {
    if (answer === TAKEN) this.taken++
  }

  get dropped(): number {
    return this.house.rig.dropped()
  }

  get held(): number {
    return this.house.parts.hold.count
  }

  /** What is not accounted for; 0 if the books are right. */
  get missing(): number {
    return this.given - (this.left + this.dropped - this.late + this.held + this.taken)
  }

  /** True for what the gateway says: ARP that bears its MAC, and what was noted. */
  private isOwn(frame: Uint8Array): boolean {
    if (frame[10] !== 2 || frame[4 + 6] !== 2 || frame[6] !== 2) return false
    if (frame[12] === 8 && frame[13] === 6) return true
    const name = hex(frame)
    const times = this.said.get(name) ?? 0
    if (times > 1) this.said.set(name, times - 1)
    else this.said.delete(name)
    return times > 0
  }

  /** What left every port since the last call; a packet in pieces, or flooded, left once. */
  collect(): Carried[] {
    const all: Carried[] = []
    for (let port = 0; port < PORTS; port++)
      for (const sent of this.house.rig.taken(port))
        all.push({ ...sent, port, isOwn: this.isOwn(sent.frame) })
    const copies = new Map<string, number[]>()
    for (const each of all.filter(({ isOwn }) => !isOwn)) {
      const name = nameOf(each)
      const ports = copies.get(name) ?? new Array(PORTS).fill(0)
      ports[each.port] = name.startsWith(PIECE) ? 1 : ports[each.port] + 1
      copies.set(name, ports)
    }
    for (const ports of copies.values()) this.left += Math.max(...ports)
    return all
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The same for all pieces of a packet, and for all copies of a frame. */
function nameOf({ frame }: Carried): string {
  const isPiece = frame[12] === 8 && frame[13] === 0 && (((frame[20] << 8) | frame[21]) & 0x3fff) !== 0
  const isRouted = frame[6] === 2 && frame[10] === 2
  if (!isPiece || !isRouted) return hex(frame)
  return PIECE + [...frame.subarray(18, 20), frame[23], ...frame.subarray(26, 34)].join()
}

/** What is wrong with the tables of a gateway, counted anew: nothing if they are right. */
export function wrongs(parts: Parts, uplink: number): string[] {
  return [...flowWrongs(parts), ...bindingWrongs(parts, uplink), ...neighbourWrongs(parts)]
}

function flowWrongs({ flows }: Parts): string[] {
  const { words } = flows
  const wrong: string[] = []
  let count = 0
  for (let number = 1; number <= flows.high; number++) {
    const f = number * flow.WORDS
    if ((words[f + flow.STATUS] & flow.CONFIRMED) === 0) continue
    count++
    for (const direction of [0, 1]) {
      const key = f + direction * flow.REPLY
      const [source, destination, ports] = [flow.SOURCE, flow.DESTINATION, flow.PORTS].map(
        (word) => words[key + word],
      )
      const found = flows.find(source, destination, ports, words[f + flow.STATUS] & 0xffff)
      if (found !== ((number << 1) | direction)) wrong.push(`flow ${number}, ${direction}: found ${found}`)
    }
  }
  if (count !== flows.count) wrong.push(`${count} flows live, ${flows.count} are counted`)
  return wrong
}

/** Records are held as often as flows and pairs say, and the sets of endpoints have taken just those of the mappings. */
function bindingWrongs({ flows, nat }: Parts, uplink: number): string[] {
  const { bindings } = nat
  const wrong: string[] = []
  const holders = new Int32Array(bindings.high)
  for (let number = 1; number <= flows.high; number++) {
    const f = number * flow.WORDS
    const held = flows.words[f + flow.BINDING]
    if ((flows.words[f + flow.STATUS] & flow.CONFIRMED) !== 0 && held >= 0) holders[held]++
  }
  let count = 0
  let mappings = 0
  for (let record = 0; record < bindings.high; record++) {
    const kind = bindings.kind(record)
    if (kind !== 0) count++
    if (kind === binding.MAPPING) mappings++
    if (kind !== binding.PAIR) continue
    for (const word of [0, 1]) holders[bindings.words[record * binding.WORDS + word]]++
  }
  for (let record = 0; record < bindings.high; record++) {
    const references = bindings.words[record * binding.WORDS + binding.REFERENCES]
    if (bindings.kind(record) !== 0 && references !== holders[record])
      wrong.push(`record ${record}: ${holders[record]} holders, ${references} counted`)
    if (bindings.kind(record) === 0 && holders[record] > 0) wrong.push(`record ${record} is held and free`)
  }
  if (count !== bindings.count) wrong.push(`${count} records live, ${bindings.count} are counted`)
  const { used } = nat.endpointsInUse(uplink)
  if (used !== mappings) wrong.push(`${mappings} mappings, ${used} endpoints taken`)
  return wrong
}

function neighbourWrongs({ neighbours, hold }: Parts): string[] {
  const wrong: string[] = []
  const waiting = hold['waiting'].reduce((sum, each) => sum + each, 0)
  const perPort = hold['perPort'].reduce((sum, each) => sum + each, 0)
  if (waiting !== hold.count || perPort !== hold.count)
    wrong.push(`${hold.count} packets wait: ${waiting} for neighbours, ${perPort} of ports`)
  for (let i = 0; i < neighbours.count; i++) {
    const n = neighbours.at(i)
    if (neighbours.find(neighbours.network(n), neighbours.address(n)) !== n)
      wrong.push(`neighbour ${n} is not found`)
  }
  return wrong
}
