// Hot: a look ahead for the first packets of a burst. Cost: 20 ns a packet; it saves misses of 100 ns and more, one after the other.
/**
 * What begins a flow touches three places that are far from each other: the mapping of the inside endpoint in its index, the mapping itself,
 * and the place of the reply's key. In tables larger than the cache these are misses that wait for each other. Here they are touched for a whole burst,
 * one kind after the other, so that they overlap. Nothing is decided: what is guessed wrong costs a miss later, and nothing else.
 */
import type { Arena } from '../memory/arena.ts'
import { BURST } from '../memory/block.ts'
import type { Burst } from '../pipeline/burst.ts'
import { ENDPOINT_INDEPENDENT } from '../pipeline/program.ts'
import { type BindingTable, INSIDE, MAPPING, PORTS, WORDS } from '../table/binding.ts'
import type { FlowTable } from '../table/flow.ts'
import type { Link } from './link.ts'

/** With fewer packets there is nothing to overlap. */
const LEAST = 4
/** Offsets in the frame: IPv4's protocol, source and destination, and the ports behind a header without options. */
const PROTOCOL_AT = 23
const SOURCE_AT = 26
const DESTINATION_AT = 30
const PORTS_AT = 34

export class Ahead {
  /** what was read, kept so that it is read */
  touched = 0
  private readonly view: DataView
  private readonly flows: FlowTable
  private readonly bindings: BindingTable
  /** by packet: the number of the record that its inside endpoint most likely has */
  private readonly guesses = new Int32Array(BURST)

  constructor(arena: Arena, flows: FlowTable, bindings: BindingTable) {
    this.view = arena.view
    this.flows = flows
    this.bindings = bindings
  }

  /** Touches what the packets at the first `count` positions of `odd`, which came in by `link`, will be looked up by. */
  run(burst: Burst, odd: Int32Array, count: number, link: Link): void {
    const { uplink } = link
    if (count < LEAST || uplink === null || !link.translated || link.mapping !== ENDPOINT_INDEPENDENT) return
    const { view, bindings, flows, guesses } = this
    const { at } = burst
    const { words } = bindings
    const links = (link.port.index << 16) | uplink.port.index
    const outsideAddress = uplink.address
    for (let o = 0; o < count; o++) {
      const start = at[odd[o]]
      const kind = (view.getUint8(start + PROTOCOL_AT) << 8) | MAPPING
      const source = view.getInt32(start + SOURCE_AT)
      guesses[o] = bindings.guess(links, source, view.getUint16(start + PORTS_AT), 0, kind)
    }
    let sum = 0
    for (let o = 0; o < count; o++) {
      const start = at[odd[o]]
      const ports = view.getInt32(start + PORTS_AT)
      const r = guesses[o] * WORDS
      const held = words[r + PORTS]
      const isIts = held >>> 16 === ports >>> 16 && words[r + INSIDE] === view.getInt32(start + SOURCE_AT)
      // An endpoint without a mapping will get one with the same port, if that is free.
      const outside = isIts ? held & 0xffff : ports >>> 16
      const destination = view.getInt32(start + DESTINATION_AT)
      sum ^= flows.touchKey(
        destination,
        outsideAddress,
        (ports << 16) | outside,
        view.getUint8(start + PROTOCOL_AT) | (link.zone << 8),
      )
    }
    this.touched = sum
  }
}
