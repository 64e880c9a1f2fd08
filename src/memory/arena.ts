/**
 * The arena: one memfd that every thread maps for itself. It holds the frame pool, rings, tables and counters.
 *
 * Layout (little-endian int32, everything in bytes): page 0 is the header (magic, layout version, length, stop word,
 * hash seeds), pages 1–32 are the region directory, then the regions, each on a page boundary. There are no pointers, only
 * offsets, so another process that gets the descriptor can map it and find every region by name.
 * Only the control thread allocates and frees regions; it names an entry's region before it publishes its state.
 */
import { randomFillSync } from 'node:crypto'
import { native } from './native.ts'

const MAGIC = 0x54525042 // 'BPRT'
const LAYOUT = 1
const PAGE = 4096
const DIRECTORY_AT = PAGE
const ENTRY_LENGTH = 64
const ENTRY_COUNT = (32 * PAGE) / ENTRY_LENGTH
const REGIONS_AT = 33 * PAGE
const NAME_LENGTH = ENTRY_LENGTH - 12
/** Offsets are int32 so that V8 keeps them in registers: an arena ends below 2 GiB. */
export const LENGTH_MAX = 2 ** 31 - PAGE

const FREE = 0
const LIVE = 1

/** int32 positions in the header */
const WORD = { magic: 0, layout: 1, pages: 2, stop: 4, seeds: 8 }
const SEED_COUNT = 4

/** A named range of the arena: offset and length in bytes. */
export interface Region {
  at: number
  length: number
}

export class Arena {
  readonly fd: number
  readonly length: number
  readonly buffer: ArrayBuffer
  readonly u8: Uint8Array
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly view: DataView

  private constructor(fd: number, length: number) {
    this.fd = fd
    this.length = length
    this.buffer = native.arenaMap(fd, length)
    this.u8 = new Uint8Array(this.buffer)
    this.i32 = new Int32Array(this.buffer)
    this.f64 = new Float64Array(this.buffer)
    this.view = new DataView(this.buffer)
  }

  /** Creates an arena of `length` bytes; untouched pages cost no memory. */
  static create(length: number): Arena {
    const pages = Math.min(Math.ceil(length / PAGE), LENGTH_MAX / PAGE)
    const arena = new Arena(native.arenaCreate('bridgeport', pages * PAGE), pages * PAGE)
    arena.i32[WORD.layout] = LAYOUT
    arena.i32[WORD.pages] = pages
    // Odd secret multipliers: what a guest sends cannot aim at one bucket of a table.
    const seeds = arena.i32.subarray(WORD.seeds, WORD.seeds + SEED_COUNT)
    randomFillSync(seeds)
    for (let i = 0; i < SEED_COUNT; i++) seeds[i] |= 1
    Atomics.store(arena.i32, WORD.magic, MAGIC)
    return arena
  }

  /** Maps an arena that another thread or process made; throws an Error if the bytes are no arena of this layout. */
  static map(fd: number, length: number): Arena {
    const arena = new Arena(fd, length)
    const { magic, layout, pages } = WORD
    if (
      Atomics.load(arena.i32, magic) !== MAGIC ||
      arena.i32[layout] !== LAYOUT ||
      arena.i32[pages] * PAGE !== length
    ) {
      throw new Error(`descriptor ${fd} is no arena of layout ${LAYOUT}: start without it`)
    }
    return arena
  }

  /** An odd secret multiplier for hash functions; `which` is 0 to 3. */
  seed(which: number): number {
    return this.i32[WORD.seeds + which]
  }

  /** Closes the descriptor; mappings stay until their threads end. */
  close(): void {
    native.descriptorClose(this.fd)
  }

  get stopped(): boolean {
    return Atomics.load(this.i32, WORD.stop) !== 0
  }

  /** Tells every worker to end; ring their doorbells afterwards. */
  stop(): void {
    Atomics.store(this.i32, WORD.stop, 1)
  }

  /** Finds a region by name, or null. */
  find(name: string): Region | null {
    for (let entry = 0; entry < ENTRY_COUNT; entry++) {
      const at = (DIRECTORY_AT + entry * ENTRY_LENGTH) >> 2
      if (Atomics.load(this.i32, at) === LIVE && this.nameOf(entry) === name) {
        return { at: this.i32[at + 1], length: this.i32[at + 2] }
      }
    }
    return null
  }

  /** The names of all live regions. */
  regions(): string[] {
    const names: string[] = []
    for (let entry = 0; entry < ENTRY_COUNT; entry++) {
      if (Atomics.load(this.i32, (DIRECTORY_AT + entry * ENTRY_LENGTH) >> 2) === LIVE)
        names.push(this.nameOf(entry))
    }
    return names
  }

  /** Returns the region of that name, made now (all zero) if there is none; throws an Error if the arena is full. */
  allocate(name: string, length: number): Region {
    const wanted = Math.ceil(length / PAGE) * PAGE
    const present = this.find(name)
    if (present) {
      if (present.length === wanted) return present
      this.free(name)
    }
    const bytes = new TextEncoder().encode(name)
    if (bytes.length > NAME_LENGTH) throw new Error(`region name ${name} is longer than ${NAME_LENGTH} bytes`)
    const at = this.gap(wanted)
    for (let entry = 0; entry < ENTRY_COUNT; entry++) {
      const word = (DIRECTORY_AT + entry * ENTRY_LENGTH) >> 2
      if (this.i32[word] !== FREE) continue
      this.i32[word + 1] = at
      this.i32[word + 2] = wanted
      const nameAt = DIRECTORY_AT + entry * ENTRY_LENGTH + 12
      this.u8.fill(0, nameAt, nameAt + NAME_LENGTH)
      this.u8.set(bytes, nameAt)
      Atomics.store(this.i32, word, LIVE)
      return { at, length: wanted }
    }
    throw new Error(`the arena's directory is full: it names at most ${ENTRY_COUNT} regions`)
  }

  /** Gives a region back; its pages return to the kernel. */
  free(name: string): void {
    for (let entry = 0; entry < ENTRY_COUNT; entry++) {
      const word = (DIRECTORY_AT + entry * ENTRY_LENGTH) >> 2
      if (this.i32[word] !== LIVE || this.nameOf(entry) !== name) continue
      native.arenaPunch(this.fd, this.i32[word + 1], this.i32[word + 2])
      Atomics.store(this.i32, word, FREE)
    }
  }

  /** The lowest offset at which `length` bytes lie free between the live regions. */
  private gap(length: number): number {
    const taken: Region[] = []
    for (let entry = 0; entry < ENTRY_COUNT; entry++) {
      const word = (DIRECTORY_AT + entry * ENTRY_LENGTH) >> 2
      if (this.i32[word] === LIVE) taken.push({ at: this.i32[word + 1], length: this.i32[word + 2] })
    }
    let at = REGIONS_AT
    for (const region of taken.sort((a, b) => a.at - b.at)) {
      if (region.at - at >= length) return at
      at = region.at + region.length
    }
    if (this.length - at >= length) return at
    throw new Error(`the arena has no ${length} bytes left of ${this.length}: use smaller table capacities`)
  }

  private nameOf(entry: number): string {
    const at = DIRECTORY_AT + entry * ENTRY_LENGTH + 12
    const end = this.u8.indexOf(0, at)
    return new TextDecoder().decode(
      this.u8.slice(at, end < 0 ? at + NAME_LENGTH : Math.min(end, at + NAME_LENGTH)),
    )
  }
}
