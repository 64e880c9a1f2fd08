// Hot: the ports of one address and one protocol, which are free and which are not. Cost: 30 ns to draw and take one of 64,512, 100 ns for the last ones.
/**
 * One bit a port, 32 ports a word. Above that, for each parity, one bit a word that says "nothing free here", so that a free port is
 * found in at most 64 steps even if a single one is left. RFC 4787 wants a port preserved where that is possible (4.2.1), its parity kept
 * (REQ-4), system ports on system ports (REQ-3 b); what cannot be preserved is drawn at random (RFC 6056 3.3.1), because
 * a port that an outsider guesses is a hole in a resolver behind the NAT.
 */
import { randomFillSync } from 'node:crypto'

const WORDS = 2048
const SUMMARY = 64
/** Bits of even ports in a word. */
const EVEN = 0x55555555
/** Summary word 0 covers exactly the system ports, 0 to 1023. */
const SYSTEM = 1024

/** Random numbers, drawn ahead: a draw costs about 2 ns. */
const draws = new Int32Array(1024)
let drawn = draws.length

/** A random int32 that nobody can predict. */
export function random(): number {
  if (drawn === draws.length) {
    randomFillSync(draws)
    drawn = 0
  }
  return draws[drawn++]
}

export class Endpoints {
  /** ports that may be taken now */
  free = 0
  /** ports that may ever be taken */
  capacity = 0
  private readonly used = new Int32Array(WORDS).fill(-1)
  /** outside the range, or promised to a redirect */
  private readonly blocked = new Int32Array(WORDS).fill(-1)
  /** by word: nothing free; first for even ports, then for odd ones */
  private readonly full = new Int32Array(2 * SUMMARY).fill(-1)

  /** Ports from `first` to `last`, all free. Port 0 is nobody's. */
  constructor(first: number, last: number) {
    const low = Math.max(1, first)
    this.capacity = Math.max(0, last - low + 1)
    // Whole words at once: sets are made anew with every program, while frames wait.
    for (let word = low >> 5; word <= last >> 5; word++) {
      const before = word === low >> 5 ? (1 << (low & 31)) - 1 : 0
      const behind = word === last >> 5 && (last & 31) !== 31 ? -1 << ((last & 31) + 1) : 0
      this.blocked[word] = before | behind
    }
    this.used.set(this.blocked)
    this.free = this.capacity
    for (let word = low >> 5; word <= last >> 5; word++) this.summarise(word)
  }

  /** Keeps a port out of what is given. */
  block(port: number): void {
    const bit = 1 << (port & 31)
    if ((this.blocked[port >> 5] & bit) !== 0) return
    this.blocked[port >> 5] |= bit
    this.capacity--
    this.take(port)
  }

  /** Takes exactly this port; false if it is not free. */
  take(port: number): boolean {
    const word = port >> 5
    const bit = 1 << (port & 31)
    if ((this.used[word] & bit) !== 0) return false
    this.used[word] |= bit
    this.free--
    this.summarise(word)
    return true
  }

  /** Takes a free port as much like `wish` as can be had, -1 if none is left. */
  takeLike(wish: number): number {
    if (this.free === 0) return -1
    const parity = wish & 1
    const isSystem = wish < SYSTEM
    let port = this.search(parity, isSystem)
    if (port < 0) port = this.search(1 - parity, isSystem)
    if (port < 0) port = this.search(parity, !isSystem)
    if (port < 0) port = this.search(1 - parity, !isSystem)
    if (port >= 0) this.take(port)
    return port
  }

  /** Gives a port back. */
  give(port: number): void {
    const word = port >> 5
    const bit = 1 << (port & 31)
    if ((this.blocked[word] & bit) !== 0 || (this.used[word] & bit) === 0) return
    this.used[word] &= ~bit
    this.free++
    this.summarise(word)
  }

  /** A free port of that parity at or after a random place, -1 if there is none. */
  private search(parity: number, isSystem: boolean): number {
    const { full } = this
    const base = parity * SUMMARY
    const low = isSystem ? 0 : 1
    const span = isSystem ? 1 : SUMMARY - 1
    const dice = random()
    let s = low + ((((dice >>> 16) * span) >>> 16) | 0)
    let open = ~full[base + s] & (-1 << ((dice >>> 5) & 31))
    for (let step = 0; step <= span; step++) {
      if (open !== 0) return this.pick((s << 5) + first(open), parity, dice & 31)
      s = s + 1 === low + span ? low : s + 1
      open = ~full[base + s]
    }
    return -1
  }

  /** The free port of that parity in a word, the first one from bit `start` on. */
  private pick(word: number, parity: number, start: number): number {
    const free = ~this.used[word] & (parity === 0 ? EVEN : ~EVEN)
    const after = free & (-1 << start)
    return (word << 5) + first(after === 0 ? free : after)
  }

  private summarise(word: number): void {
    const { full } = this
    const used = this.used[word]
    const s = word >> 5
    const bit = 1 << (word & 31)
    full[s] = (used | ~EVEN) === -1 ? full[s] | bit : full[s] & ~bit
    full[SUMMARY + s] = (used | EVEN) === -1 ? full[SUMMARY + s] | bit : full[SUMMARY + s] & ~bit
  }
}

/** Position of the lowest bit that is set. */
function first(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
