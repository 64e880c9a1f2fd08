// The redirects: published ports, services behind the gateway's address, 1:1. Looked at for the first packet of a flow only.
/**
 * Rows of one array, sorted by network, address, protocol and port and without overlaps, so that a search by halves finds the one row
 * that may match: 10 steps among 1,000. Where redirects overlap the one that is named first holds the ports.
 */
import type { RedirectProgram } from '../pipeline/program.ts'

const WORDS = 8
const NETWORK = 0
const ADDRESS = 1
const PROTOCOL = 2
const FIRST = 3
const LAST = 4
const TO = 5
const TO_FIRST = 6
const FLAGS = 7

const MASQUERADE = 1
const MUTUAL = 2

export class Redirects {
  private rows = new Int32Array(0)
  private count = 0
  /** rows by network and inside address: those whose connections outward are 1:1 */
  private mutuals = new Int32Array(0)
  private mutualCount = 0

  /** Replaces all. Cold. */
  set(list: readonly RedirectProgram[]): void {
    const rows = flatten(list).sort(order)
    this.count = rows.length
    this.rows = Int32Array.from(rows.flat())
    const mutuals = rows.filter((row) => (row[FLAGS] & MUTUAL) !== 0)
    this.mutualCount = mutuals.length
    this.mutuals = Int32Array.from(mutuals.flat())
  }

  /** The redirect for what comes in by `network` for that endpoint, or -1. */
  find(network: number, protocol: number, address: number, port: number): number {
    if (this.count === 0) return -1
    const own = this.search(network, address, protocol, port)
    return own >= 0 ? own : this.search(network, address, 0, port)
  }

  to(row: number): number {
    return this.rows[row * WORDS + TO]
  }

  /** The port that `port` becomes. */
  port(row: number, port: number): number {
    const r = row * WORDS
    return this.rows[r + PROTOCOL] === 0 ? port : port - this.rows[r + FIRST] + this.rows[r + TO_FIRST]
  }

  /** Whether the new destination is to see the gateway as the source. */
  masquerades(row: number): boolean {
    return (this.rows[row * WORDS + FLAGS] & MASQUERADE) !== 0
  }

  /** The row of `mutual` redirects by which an inside endpoint goes outside by `network`, or -1. */
  findMutual(network: number, protocol: number, address: number, port: number): number {
    const { mutuals } = this
    for (let m = 0; m < this.mutualCount; m++) {
      const r = m * WORDS
      if (mutuals[r + NETWORK] !== network || mutuals[r + TO] !== address) continue
      if (mutuals[r + PROTOCOL] === 0) return m
      const last = mutuals[r + TO_FIRST] + mutuals[r + LAST] - mutuals[r + FIRST]
      if (mutuals[r + PROTOCOL] === protocol && port >= mutuals[r + TO_FIRST] && port <= last) return m
    }
    return -1
  }

  /** The source that a mutual row gives to what goes outside. */
  mutualAddress(row: number): number {
    return this.mutuals[row * WORDS + ADDRESS]
  }

  mutualPort(row: number, port: number): number {
    const r = row * WORDS
    const { mutuals } = this
    return mutuals[r + PROTOCOL] === 0 ? port : port - mutuals[r + TO_FIRST] + mutuals[r + FIRST]
  }

  /** The last row that does not begin behind the endpoint, if it holds it. */
  private search(network: number, address: number, protocol: number, port: number): number {
    const { rows } = this
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      const r = middle * WORDS
      let side = rows[r + NETWORK] - network
      if (side === 0) side = rows[r + ADDRESS] - address
      if (side === 0) side = rows[r + PROTOCOL] - protocol
      if (side === 0) side = rows[r + FIRST] - port
      if (side <= 0) low = middle + 1
      else high = middle
    }
    const row = low - 1
    const r = row * WORDS
    const isHere =
      row >= 0 &&
      rows[r + NETWORK] === network &&
      rows[r + ADDRESS] === address &&
      rows[r + PROTOCOL] === protocol
    return isHere && port <= rows[r + LAST] ? row : -1
  }
}

/** One row for every stretch of ports that is still free when its redirect's turn comes. */
function flatten(list: readonly RedirectProgram[]): number[][] {
  const rows: number[][] = []
  for (const redirect of list) {
    const { network, protocol, address, to } = redirect
    const flags = (redirect.masquerade ? MASQUERADE : 0) | (redirect.mutual ? MUTUAL : 0)
    const [from, until] = protocol === 0 ? [0, 65535] : [redirect.first, redirect.last]
    const earlier = rows
      .filter((row) => row[NETWORK] === network && row[ADDRESS] === address && row[PROTOCOL] === protocol)
      .sort(order)
    let first = from
    const add = (last: number) => {
      if (first > last) return
      const toFirst = redirect.toFirst + first - from
      rows.push([network, address, protocol, first, last, to, toFirst, flags])
    }
    for (const row of earlier) {
      add(Math.min(until, row[FIRST] - 1))
      first = Math.max(first, row[LAST] + 1)
    }
    add(until)
  }
  return rows
}

function order(a: number[], b: number[]): number {
  for (const word of [NETWORK, ADDRESS, PROTOCOL, FIRST]) if (a[word] !== b[word]) return a[word] - b[word]
  return 0
}
