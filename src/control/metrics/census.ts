/** Connections in numbers, for metrics: a walk over the words of the table while the worker goes on. */
import { setImmediate as turn } from 'node:timers/promises'
import { stateNames } from '../../gateway/transition.ts'
import { PORT_COUNT_MAX } from '../../memory/counters.ts'
import {
  ASSURED,
  CONFIRMED,
  DEADLINE,
  NETWORKS,
  PORTS,
  SEEN_REPLY,
  STATE,
  STATUS,
  WORDS,
} from '../../table/flow.ts'
import { type FlowSource, table } from '../flows.ts'
import { protocolName } from '../select.ts'

/** How many flows of a network are in a state; `state` is TCP's, else UNREPLIED, REPLIED or ASSURED. */
export interface FlowTally {
  network: string
  protocol: string
  state: string
  count: number
}

const TCP = 6
/** Flows that are looked at without letting others have the thread: about two milliseconds. */
const SHARE = 65_536
/** a protocol has its place in 256, and each 16 states */
const PLACES = 256 * 16
const STATES = ['UNREPLIED', 'REPLIED', 'ASSURED']

/** Counts by port of the gateway's link, protocol and state; a port's counts are made when it has its first flow. */
class Counts {
  readonly ports: (Uint32Array | null)[] = new Array(PORT_COUNT_MAX).fill(null)

  /** Counts the live flows from `first` up to `last`; what is alike and in a row is counted at once. */
  add(words: Int32Array, first: number, last: number, now: number): void {
    let kind = 0
    let count = 0
    for (let f = first * WORDS, end = last * WORDS; f <= end; f += WORDS) {
      const status = words[f + STATUS]
      if ((status & CONFIRMED) === 0 || ((words[f + DEADLINE] - now) | 0) <= 0) continue
      const ports = words[f + PORTS]
      const port = words[f + NETWORKS] >>> 16
      const protocol = status & 0xff
      const answered = (status & SEEN_REPLY) === 0 ? 0 : (status & ASSURED) === 0 ? 1 : 2
      const state = protocol === TCP ? words[f + STATE] & 0x0f : answered
      // One that ended meanwhile, and perhaps another in its place, counts next time.
      if (Atomics.load(words, f + STATUS) !== status || words[f + PORTS] !== ports) continue
      const own = (port << 12) | (protocol << 4) | state
      if (own === kind) count++
      else {
        if (count > 0) this.of(kind >>> 12)[kind & 0xfff] += count
        kind = own
        count = 1
      }
    }
    if (count > 0) this.of(kind >>> 12)[kind & 0xfff] += count
  }

  private of(port: number): Uint32Array {
    const present = this.ports[port]
    if (present) return present
    const made = new Uint32Array(PLACES)
    this.ports[port] = made
    return made
  }
}

/** True if counting takes more than a share. */
export function isLarge(source: FlowSource): boolean {
  return table(source).high > SHARE
}

/** Counts the live flows by network, protocol and state; long tables in shares, between which others have the thread. */
export async function census(source: FlowSource): Promise<FlowTally[]> {
  const { words, high } = table(source)
  const counts = new Counts()
  for (let first = 1; first <= high; first += SHARE) {
    if (first > 1) await turn()
    counts.add(words, first, Math.min(first + SHARE - 1, high), source.nowMs)
  }
  return named(counts, source)
}

/** Several ports may belong to one network, and several protocols have no name. */
function named({ ports }: Counts, { networkOf }: FlowSource): FlowTally[] {
  const rows = new Map<string, FlowTally>()
  ports.forEach((counts, port) => {
    counts?.forEach((count, place) => {
      if (count === 0) return
      const network = networkOf(port) ?? ''
      const protocol = protocolName(place >> 4)
      const state = place >> 4 === TCP ? (stateNames[place & 0x0f] ?? 'NONE') : STATES[place & 0x0f]
      const key = `${network} ${protocol} ${state}`
      const row = rows.get(key) ?? { network, protocol, state, count: 0 }
      row.count += count
      rows.set(key, row)
    })
  })
  return [...rows.values()]
}
