/**
 * The busiest flows: which of them moved most bytes since the last look. Every flow's words are read where they lie, and objects are made
 * for those alone that are shown. Looking at 100,000 flows takes 3 ms, at a million 25.
 */
import {
  BYTES,
  CONFIRMED,
  DESTINATION,
  PACKETS,
  PORTS,
  REPLY,
  SOURCE,
  STATUS,
  WORDS,
} from '../../table/flow.ts'
import * as flows from '../flows.ts'
import type { TopFlow } from './live.ts'

/** Spreads the words of a key: 2^32 divided by the golden ratio. */
const SPREAD = 0x9e3779b1 | 0

/** The greatest of many numbers, the least of them first. */
class Greatest {
  readonly flows: Int32Array
  readonly bytes: Float64Array
  readonly packets: Float64Array
  private readonly capacity: number
  count = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.flows = new Int32Array(capacity)
    this.bytes = new Float64Array(capacity)
    this.packets = new Float64Array(capacity)
  }

  /** Less is not among them. */
  get least(): number {
    return this.count < this.capacity ? 0 : (this.bytes[0] ?? Number.POSITIVE_INFINITY)
  }

  add(flow: number, bytes: number, packets: number): void {
    const columns = [this.flows, this.bytes, this.packets]
    let at = this.count
    while (at > 0 && this.bytes[at - 1] > bytes) at--
    if (this.count < this.capacity) {
      for (const column of columns) column.copyWithin(at + 1, at, this.count)
      this.count++
    } else {
      at--
      for (const column of columns) column.copyWithin(0, 1, at + 1)
    }
    this.flows[at] = flow
    this.bytes[at] = bytes
    this.packets[at] = packets
  }
}

export class Talkers {
  /** by number of a flow: bytes and packets seen, and whose they were */
  private bytes = new Float64Array(0)
  private packets = new Uint32Array(0)
  private keys = new Int32Array(0)
  private atMs = 0

  /** At most `count` flows, the busiest first; none at the first look. */
  look(source: flows.FlowSource, count: number): TopFlow[] {
    const now = performance.now()
    const greatest = new Greatest(this.atMs === 0 ? 0 : count)
    const seconds = (now - this.atMs) / 1000
    this.atMs = now
    this.scan(source, greatest)
    const words = new Int32Array(WORDS)
    const found: TopFlow[] = []
    for (let at = greatest.count - 1; at >= 0; at--) {
      if (!flows.copy(flows.table(source).words, greatest.flows[at], words)) continue
      const [packetRate, byteRate] = [greatest.packets[at], greatest.bytes[at]].map((n) =>
        Math.round(n / seconds),
      )
      found.push({ ...flows.row(words, source), packetRate, byteRate })
    }
    return found
  }

  private scan(source: flows.FlowSource, greatest: Greatest): void {
    const { words, high } = flows.table(source)
    const floats = new Float64Array(words.buffer, words.byteOffset, words.length / 2)
    this.grow(high + 1)
    const { bytes, packets, keys } = this
    let { least } = greatest
    for (let flow = 1, f = WORDS; flow <= high; flow++, f += WORDS) {
      if ((words[f + STATUS] & CONFIRMED) === 0) continue
      let key = Math.imul(words[f + SOURCE], SPREAD) ^ words[f + DESTINATION]
      key = Math.imul(key, SPREAD) ^ words[f + PORTS]
      key = Math.imul(key, SPREAD) ^ words[f + REPLY + PORTS] ^ (words[f + STATUS] & 0xffff)
      const sum = floats[f / 2 + BYTES] + floats[f / 2 + BYTES + 1]
      const count = words[f + PACKETS] + words[f + PACKETS + 1]
      // Another flow in this place began after the last look.
      const isSame = keys[flow] === key && sum >= bytes[flow]
      const more = isSame ? sum - bytes[flow] : sum
      if (more > least) {
        greatest.add(flow, more, (count - (isSame ? packets[flow] : 0)) >>> 0)
        least = greatest.least
      }
      keys[flow] = key
      bytes[flow] = sum
      packets[flow] = count
    }
  }

  /** Room for so many flows; what was seen stays. */
  private grow(count: number): void {
    if (count <= this.keys.length) return
    const capacity = 2 ** Math.ceil(Math.log2(count))
    const wider = <T extends Float64Array | Uint32Array | Int32Array>(to: T, from: T): T => {
      to.set(from)
      return to
    }
    this.bytes = wider(new Float64Array(capacity), this.bytes)
    this.packets = wider(new Uint32Array(capacity), this.packets)
    this.keys = wider(new Int32Array(capacity), this.keys)
  }
}
