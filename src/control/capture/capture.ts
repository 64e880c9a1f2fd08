/**
 * Captures: who wants to see which ports' frames. Each has a ring in the arena for every worker; workers are told which ports it watches when it
 * begins and before every program that changes that, and read again and again while there is any.
 */
import type { Region } from '../../memory/arena.ts'
import { verify } from '../../pipeline/filter.ts'
import type { CaptureProgram } from '../../pipeline/program.ts'
import { HOST_UPLINK, NIC_UPLINK } from '../../pipeline/program.ts'
import { INBOUND, lengthOf, OUTBOUND, SLOTS } from '../../pipeline/record.ts'
import { compileExpression, isMissing } from '../../port/expression.ts'
import type { Turn } from '../berth.ts'
import type { Crew } from '../crew.ts'
import type { Events } from '../events.ts'
import { shown, siteOf } from '../listing.ts'
import type { Member } from '../member.ts'
import type { Plant } from '../plant.ts'
import { Absent, Busy, Refusal } from '../refusal.ts'
import { Pace } from './pace.ts'
import { SNAP_MAX } from './pcapng.ts'
import { Recording, type Watched } from './recording.ts'
import { Reel } from './reel.ts'

/** Bytes of a capture's rings together: a second of a hundred thousand frames of 150 bytes. */
const RINGS_LENGTH = 2 ** 24
/** How often the rings are read, in milliseconds: they hold 20 ms of 800 MB/s. */
const READ_MS = 20
/** What somebody wants to see: a port, a network's ports, or with neither every port and uplink. */
export interface Wanted {
  port?: string
  network?: string
  /** only frames that are dropped */
  drops?: boolean
  direction?: 'in' | 'out' | 'both'
  snap?: number
  count?: number
  filter?: string
}

interface Slot {
  wanted: Wanted
  directions: number
  regions: Region[]
  recording: Recording
  /** the program's share that all workers have in common */
  common: Omit<CaptureProgram, 'at' | 'ports'>
  ports: [number, number][]
  /** resolves when no worker records for it any more; null while they do */
  halted: Promise<void> | null
}

const DIRECTIONS = { in: INBOUND, out: OUTBOUND, both: INBOUND | OUTBOUND }

export class Captures {
  private readonly plant: Plant
  private readonly crew: Crew
  private readonly events: Events
  private readonly turn: Turn
  private readonly slots: (Slot | null)[] = new Array(SLOTS).fill(null)
  private readonly totals = { frames: 0, lost: 0 }
  private timer: NodeJS.Timeout | null = null
  private number = 0
  private readonly pace = new Pace()
  private isClosed = false

  constructor(plant: Plant, crew: Crew, events: Events, turn: Turn) {
    this.plant = plant
    this.crew = crew
    this.events = events
    this.turn = turn
    crew.before = () => this.follow()
  }

  /** Captures under way; frames written and lost by all that there were. */
  counts(): { active: number; frames: number; lost: number } {
    return { active: this.slots.filter((slot) => slot !== null).length, ...this.totals }
  }

  /** Begins a capture; it lasts until it is poured out to its end or destroyed. Throws a Refusal if it cannot be. */
  async open(wanted: Wanted): Promise<Recording> {
    const filter = await compile(wanted.filter ?? '')
    return this.turn(() => this.begin(wanted, filter))
  }

  private async begin(wanted: Wanted, filter: Int32Array | null): Promise<Recording> {
    if (this.isClosed) throw new Busy('capture', 'the switch ends')
    const place = this.slots.indexOf(null)
    if (place < 0) throw new Busy('capture', `${SLOTS} run already`, 'end one of them')
    const { arena, workers, totals } = this.plant
    const watched = this.select(wanted)
    const words = 2 ** Math.floor(Math.log2(RINGS_LENGTH / 4 / workers))
    const { snap = SNAP_MAX, count = Number.POSITIVE_INFINITY, drops = false } = wanted
    const directions = DIRECTIONS[wanted.direction ?? 'both']
    const names = Array.from({ length: workers }, (_, worker) => `capture/${place}/${worker}`)
    const regions = names.map((name) => this.region(name, lengthOf(words)))
    const sight = {
      arena,
      pace: this.pace,
      passed: (index: number) => {
        const { rxFrames, txFrames } = totals.port(index)
        return (directions & INBOUND ? rxFrames : 0) + (directions & OUTBOUND ? txFrames : 0)
      },
      blame: (rule: number) => this.events.blame(rule),
      totals: this.totals,
    }
    const reels = regions.map(({ at }) => new Reel(arena, at, words))
    const terms = { snap, count, filter: wanted.filter ?? '' }
    const recording = new Recording(String(++this.number), terms, sight, reels, watched)
    const common = { words, snap, directions, drops, filter }
    const slot = { wanted, directions, regions, recording, common, ports: pairs(watched), halted: null }
    this.slots[place] = slot
    void recording.closed.then(() => this.free(place))
    try {
      await this.tell(place)
    } catch (error) {
      recording.destroy()
      throw error
    }
    this.timer ??= setInterval(() => this.look(), READ_MS)
    return recording
  }

  private region(name: string, length: number): Region {
    try {
      return this.plant.arena.allocate(name, length)
    } catch (error) {
      throw new Refusal('capture', (error as Error).message, 'or end another capture')
    }
  }

  private look(): void {
    if (this.pace.rests) return
    for (const slot of this.slots) slot?.recording.drain()
  }

  /** Tells every worker what a capture is, each with its own ring; null and it is none any more. */
  private async tell(place: number): Promise<void> {
    const slot = this.slots[place] as Slot
    const { common, ports, regions, halted } = slot
    const told = regions.map(({ at }, worker) =>
      this.crew.tell(worker, {
        type: 'capture',
        slot: place,
        capture: halted ? null : { ...common, at, ports },
      }),
    )
    await Promise.all(told)
  }

  /** Before a program: ports may have come, gone or changed places. */
  private async follow(): Promise<void> {
    for (const [place, slot] of this.slots.entries()) {
      if (slot === null || slot.halted !== null) continue
      const { recording, wanted } = slot
      const watched = this.select(wanted, true)
      const ports = pairs(watched)
      if (ports.join() === slot.ports.join()) continue
      slot.ports = ports
      recording.watch(watched.filter((each) => !recording.isOther(each)))
      await this.tell(place)
      recording.watch(watched)
    }
  }

  /** Ends a capture; its stream ends when what was recorded is passed on. Throws a Refusal if there is none of that number. */
  async end(id: string): Promise<void> {
    const place = this.slots.findIndex((slot) => slot?.recording.id === id)
    if (place < 0) throw new Absent(`capture ${id}`, 'there is none of that number', 'it has ended already')
    await this.halt(place)
    this.slots[place]?.recording.finish()
  }

  /** No worker records for it when this resolves. */
  private async halt(place: number): Promise<void> {
    const slot = this.slots[place]
    if (slot === null) return
    if (slot.halted === null) {
      // Told below, and by nobody else any more.
      slot.halted = Promise.resolve()
      slot.halted = this.tell(place)
    }
    await slot.halted
  }

  /** Gives back what a capture had that nobody reads any more. */
  private async free(place: number): Promise<void> {
    // A worker that died ends the switch: nobody here has to.
    await this.halt(place).catch(() => {})
    if (this.isClosed) return
    const { workers, arena } = this.plant
    for (let worker = 0; worker < workers; worker++) arena.free(`capture/${place}/${worker}`)
    this.slots[place] = null
    if (this.timer === null || this.slots.some((slot) => slot !== null)) return
    clearInterval(this.timer)
    this.timer = null
  }

  /** Ends all captures; what they have goes with the arena. */
  async close(): Promise<void> {
    this.isClosed = true
    await Promise.all(this.slots.map((slot) => slot && this.end(slot.recording.id).catch(() => {})))
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  /** The ports that are meant; unless they may be missing, throws a Refusal for a name that there is not. */
  private select({ port, network }: Wanted, mayMiss = false): Watched[] {
    const { plant } = this
    const see = (noun: string) => `see bridgeport ${noun} ls`
    if (port !== undefined) {
      const member = plant.members.get(port)
      if (member !== undefined) return [this.watched(member)]
      if (mayMiss) return []
      throw new Absent(`port ${port}`, 'there is none of that name', see('port'))
    }
    const members = shown(plant, false)
    if (network === undefined) return [...members, ...this.uplinks()].map((each) => this.watched(each))
    if (!mayMiss && !plant.nets.has(network))
      throw new Absent(`network ${network}`, 'there is none of that name', see('network'))
    return members.filter(({ spec }) => spec.network === network).map((each) => this.watched(each))
  }

  /** The ports that lead outside: in no listing. */
  private uplinks(): Member[] {
    return [...this.plant.members.values()].filter(({ spec: { hidden, name, network } }) => {
      const role = this.plant.nets.get(network)?.role
      return hidden && name === network && (role === HOST_UPLINK || role === NIC_UPLINK)
    })
  }

  private watched({ index, incarnation, spec }: Member): Watched {
    return { index, incarnation, name: spec.name, description: `${spec.type}, network ${siteOf(spec)}` }
  }
}

function pairs(watched: readonly Watched[]): [number, number][] {
  return watched.map(({ index, incarnation }) => [index, incarnation])
}

/** The filter as workers take it, null for none. */
async function compile(text: string): Promise<Int32Array | null> {
  if (text === '') return null
  if (text.includes('\0'))
    throw new Refusal('filter', 'it has a NUL, where libpcap stops to read', 'leave that out')
  try {
    const program = await compileExpression(text)
    verify(program)
    return program
  } catch (error) {
    if (isMissing(error))
      throw new Refusal(
        'filter',
        'this machine has no libpcap',
        'install it (Debian: libpcap0.8) or leave the filter out',
      )
    throw new Refusal(`filter ${text}`, (error as Error).message, 'see man 7 pcap-filter')
  }
}
