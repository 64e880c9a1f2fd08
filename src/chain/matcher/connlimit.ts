// Hot: connlimit, how many flows a source or destination has.
/**
 * As nf_conncount does it: a list of flows for each address prefix, in the order in which they came, to which the packet's flow is added. Those that
 * have ended, never came to be, or are TCP connections that are over go when the list is looked through: up to the packet's own flow, or
 * as a whole if that is new or assured. Of a list longer than LOOKED a part is looked at and the next one the next time, so that
 * the work is bounded. Flows that cannot be kept track of are dropped, as in the kernel; but not, as newer kernels do, the last
 * packets of a connection that is over and the only one of its list: they count as one.
 */
import {
  ASSURED,
  PORTS as BETWEEN,
  CONFIRMED,
  type FlowTable,
  SOURCE as FROM,
  KEY,
  STATUS,
  STATE as TCP_STATE,
  DESTINATION as TO,
  WORDS,
} from '../../table/flow.ts'
import * as icmp from '../../wire/icmp.ts'
import { PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP } from '../../wire/ipv4.ts'
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { DESTINATION, END, FLOW, HOTDROP, NETWORK, PROTOCOL, SOURCE, TRANSPORT, ZONE } from '../registers.ts'
import { Buckets, ENTRY_WORDS } from './bucket.ts'

/** Prefixes and flows that one rule keeps track of; a list's number has to fit into 16 bits. */
export const LISTS = 0xffff
const NODES_MAX = 0x4_0000
/** flows of a list that are looked at in one go */
const LOOKED = 256
/** flows that are looked at for each that comes, oldest first, so that those of lists that nobody asks for go as well */
const SWEPT = 2
/** TIME_WAIT and CLOSE of nf_conntrack_tcp.h: such a connection is over */
const TIME_WAIT = 7
const CLOSE = 8

export interface ConnlimitSpec extends MatcherSpec {
  type: 'connlimit'
  limit: number
  mask: number
  destination: boolean
  /** --connlimit-above */
  above: boolean
}

/** Bytes that one takes in a table of so many flows. */
export function lengthOf(flows: number): number {
  return 4 * (LISTS * (ENTRY_WORDS + 2) + Math.min(flows, NODES_MAX) * (ENTRY_WORDS + 2))
}

export class Connlimit implements Matcher {
  private readonly flows: FlowTable
  private readonly view: DataView
  private readonly spec: ConnlimitSpec
  /** prefix, zone */
  private readonly lists: Buckets
  /** source, destination, ports, protocol and zone of a flow with its list above them */
  private readonly nodes: Buckets
  private readonly first: Int32Array
  private readonly count: Int32Array
  private readonly next: Int32Array
  private readonly previous: Int32Array
  /** the tuple of the packet at hand */
  private readonly tuple = new Int32Array(4)
  private flow = 0

  constructor(footing: Footing, spec: ConnlimitSpec) {
    const capacity = Math.min(footing.flows.capacity, NODES_MAX)
    this.flows = footing.flows
    this.view = footing.arena.view
    this.spec = spec
    this.lists = new Buckets(footing.arena, LISTS)
    this.nodes = new Buckets(footing.arena, capacity)
    this.first = new Int32Array(LISTS + 1)
    this.count = new Int32Array(LISTS + 1)
    this.next = new Int32Array(capacity + 1)
    this.previous = new Int32Array(capacity + 1)
  }

  ask(x: Int32Array): boolean {
    const { spec } = this
    const count = this.describe(x) ? this.connections(x) : 0
    if (count === 0) {
      x[HOTDROP] = 1
      return false
    }
    return count > spec.limit === spec.above
  }

  /** Fills `tuple` with the original direction of the packet's flow; false if the packet has none because it is cut off. */
  private describe(x: Int32Array): boolean {
    const { tuple, flows } = this
    this.flow = x[FLOW]
    if (this.flow === 0) {
      if (!this.readTuple(x)) return false
      // In raw, and without tracking, a packet may be that of a flow all the same.
      const id = flows.find(tuple[0], tuple[1], tuple[2], tuple[3])
      if (id < 0) return true
      this.flow = id >> 1
    }
    const f = this.flow * WORDS
    tuple[0] = flows.words[f + FROM]
    tuple[1] = flows.words[f + TO]
    tuple[2] = flows.words[f + BETWEEN]
    tuple[3] = flows.words[f + STATUS] & KEY
    return true
  }

  /** The tuple of the packet by its bytes: those of a first packet are still what it was sent with. */
  private readTuple(x: Int32Array): boolean {
    const { tuple, view } = this
    const protocol = x[PROTOCOL]
    tuple[0] = view.getInt32(x[NETWORK] + 12)
    tuple[1] = view.getInt32(x[NETWORK] + 16)
    tuple[2] = 0
    tuple[3] = protocol | ((x[ZONE] & 0xff) << 8)
    const at = x[TRANSPORT]
    const isShort = at + (protocol === PROTOCOL_ICMP ? icmp.HEADER_LENGTH : 4) > x[END]
    if (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) {
      if (isShort) return false
      tuple[2] = view.getInt32(at)
    } else if (protocol === PROTOCOL_ICMP) {
      if (isShort) return false
      if (icmp.isQuery(icmp.type(view, at))) tuple[2] = (icmp.identifier(view, at) << 16) | view.getUint16(at)
    }
    return true
  }

  /** How many flows the packet's prefix has, its own included; 0 if that cannot be kept. */
  private connections(x: Int32Array): number {
    const { spec, lists, nodes, tuple, count } = this
    const prefix = (spec.destination ? x[DESTINATION] : x[SOURCE]) & spec.mask
    this.sweep()
    let list = lists.find(prefix, tuple[3] >>> 8, 0, 0)
    if (list === 0) list = lists.add(prefix, tuple[3] >>> 8, 0, 0)
    if (list === 0) return 0
    const status = this.flow > 0 ? this.flows.words[this.flow * WORDS + STATUS] : 0
    if ((status & ASSURED) !== 0 && count[list] > 0) {
      this.collect(list, 0)
      if (count[list] > 0) return count[list]
      lists.remove(list)
      return 1
    }
    const own = nodes.find(tuple[0], tuple[1], tuple[2], tuple[3] | (list << 16))
    const counted = own !== 0 && this.flow > 0
    if (own !== 0 && !counted) this.detach(own, list)
    this.collect(list, counted ? own : 0)
    if (counted || this.add(list)) return count[list]
    if (count[list] === 0) lists.remove(list)
    return 0
  }

  /** Where many are kept track of, looks at the oldest ones: what lives is the youngest then. */
  private sweep(): void {
    const { nodes, lists } = this
    if (nodes.count < nodes.capacity >> 1 && lists.count < LISTS >> 1) return
    for (let i = 0; i < SWEPT; i++) {
      const node = nodes.oldest()
      if (node === 0) return
      if (this.isOver(node)) this.drop(node)
      else nodes.touch(node)
    }
  }

  /** Takes out of a list what is over, as far as `last`; a list that is too long begins the next time where this stopped. */
  private collect(list: number, last: number): void {
    const { first, next, count } = this
    const isLong = count[list] > LOOKED
    let node = first[list]
    for (let left = Math.min(count[list], LOOKED); left > 0 && node !== last; left--) {
      const following = next[node]
      if (this.isOver(node)) this.detach(node, list)
      node = following
    }
    if (isLong) first[list] = node
  }

  /** Whether no flow has the node's tuple any more, or it is a TCP connection that has ended. */
  private isOver(node: number): boolean {
    const { keys } = this.nodes
    const { words } = this.flows
    const k = node << 2
    const id = this.flows.find(keys[k], keys[k + 1], keys[k + 2], keys[k + 3] & KEY)
    if (id < 0) return true
    const f = (id >> 1) * WORDS
    if ((words[f + STATUS] & CONFIRMED) === 0) return true
    if ((keys[k + 3] & 0xff) !== PROTOCOL_TCP) return false
    const state = words[f + TCP_STATE] & 0x0f
    return state === TIME_WAIT || state === CLOSE
  }

  private add(list: number): boolean {
    const { nodes, tuple, first, next, previous, count } = this
    const node = nodes.add(tuple[0], tuple[1], tuple[2], tuple[3] | (list << 16))
    if (node === 0) return false
    const head = count[list] === 0 ? node : first[list]
    if (head === node) {
      next[node] = node
      previous[node] = node
      first[list] = node
    } else {
      next[node] = head
      previous[node] = previous[head]
      next[previous[head]] = node
      previous[head] = node
    }
    count[list]++
    return true
  }

  /** Takes a node out, and its list if that is empty then. */
  private drop(node: number): void {
    const list = this.nodes.keys[(node << 2) + 3] >>> 16
    this.detach(node, list)
    if (this.count[list] === 0) this.lists.remove(list)
  }

  private detach(node: number, list: number): void {
    const { first, next, previous } = this
    next[previous[node]] = next[node]
    previous[next[node]] = previous[node]
    if (first[list] === node) first[list] = next[node]
    this.count[list]--
    this.nodes.remove(node)
  }
}
