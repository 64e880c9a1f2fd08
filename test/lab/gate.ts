/** Our gateway as a side of a trial: the house of house.ts, its guests routed, with rules and sets in force. */

import { compile, type Numbering } from '../../src/chain/compile.ts'
import { restore } from '../../src/chain/restore.ts'
import type { Ruleset } from '../../src/chain/rule.ts'
import { save } from '../../src/chain/save.ts'
import { restoreSets, saveSets } from '../../src/chain/sets.ts'
import { line } from '../../src/cli/conntrack.ts'
import { Bodies } from '../../src/control/body.ts'
import { Draft, type Held } from '../../src/control/draft.ts'
import { rows } from '../../src/control/flows.ts'
import { monotonicMs } from '../../src/control/listing.ts'
import { numbers } from '../../src/control/names.ts'
import { contents } from '../../src/control/roll.ts'
import { carry } from '../../src/table/change.ts'
import { arp, broadcast, ethernet } from './frame.ts'
import { House, INSIDE, OUTSIDE } from './house.ts'
import { GUESTS, hardware, type Parcel, ROUTER } from './kernel.ts'
import type { Side } from './trial.ts'

const networks = [
  { name: 'lan', index: 1 },
  { name: 'wan', index: 2 },
]

export class Gate implements Side {
  private house: House | null = null
  private ruleset: Ruleset | null = null
  private numbering: Numbering | null = null
  private sets: ReadonlyMap<string, Held> = new Map()

  load(rules: string, sets: string): void {
    this.close()
    const house = new House({ uplinkMtu: 1400, frames: 1024 })
    this.house = house
    // Listings compare what expires with the machine's clock.
    house.rig.time = monotonicMs()
    const [inside] = house.rig.networks
    inside.link = { ...inside.link!, translation: null, routed: true }
    house.rig.apply()
    for (const station of [...GUESTS, ROUTER]) this.greet(house, station)
    this.fill(house, sets)
    this.ruleset = restore(rules)
    const place = (name: string) => {
      const held = this.sets.get(name)
      return held === undefined ? null : { name, type: held.made.type, at: held.at }
    }
    const context = {
      kindOf: (name: string) => (networks.some((each) => each.name === name) ? ('network' as const) : null),
      set: place,
    }
    const { plan, numbering } = compile(this.ruleset, context, null)
    this.numbering = numbering
    plan.names = numbers(numbering, networks, [])
    house.rig.swap.rules(plan)
    while (!house.rig.swap.prepare(1000));
  }

  /** A station asks for the gateway, which then knows it and where it is. */
  private greet(house: House, station: number): void {
    const [address, gateway] =
      station === ROUTER ? ['198.51.100.1', OUTSIDE] : [`10.0.0.${11 + station}`, INSIDE]
    const question = arp(1, [hardware(station), address], ['00:00:00:00:00:00', gateway])
    house.rig.send(station, ethernet(broadcast, hardware(station), 0x0806, question))
    this.take(house)
  }

  private fill(house: House, text: string): void {
    const { arena, time } = house.rig
    const draft = new Draft(new Map(), new Bodies(arena), time, () => false)
    draft.run(restoreSets(text))
    carry(arena, draft.seal(new Map()), time)
    this.sets = draft.sets
  }

  give({ station, packet }: Parcel): Parcel[] {
    const house = this.house!
    house.rig.time++
    if (station === ROUTER) house.outside(packet)
    else house.guest(station, packet)
    return this.take(house)
  }

  private take(house: House): Parcel[] {
    const inside = GUESTS.flatMap((station) =>
      house.atGuest(station).map(({ packet }) => ({ station, packet })),
    )
    return [...inside, ...house.atOutside().map(({ packet }) => ({ station: ROUTER, packet }))]
  }

  save(): { rules: string; sets: string } {
    const { counters } = this.numbering!
    const totals = this.house!.parts.chains.tally.read(counters.length)
    const positions = new Map(counters.map((each, n) => [`${each.table} ${each.chain} ${each.index}`, n]))
    const count = (table: string, chain: string, index: number): [number, number] => {
      const n = positions.get(`${table} ${chain} ${index}`)
      return n === undefined ? [0, 0] : [totals[n * 2], totals[n * 2 + 1]]
    }
    const { arena } = this.house!.rig
    const sets = saveSets([...this.sets.values()].map((held) => contents(arena, held)))
    return { rules: save(this.ruleset!, count, true), sets }
  }

  flows(): string[] {
    const { rig, memory } = this.house!
    const names = ['', '', '', '', '', 'lan', 'wan']
    const { flowsAt: at, flowCapacity: capacity } = memory
    const source = {
      arena: rig.arena,
      at,
      capacity,
      nowMs: rig.time,
      networkOf: (port: number) => names[port],
    }
    return rows(source).map(line)
  }

  /** What was dropped, by reason. */
  drops(): Record<string, number> {
    return this.house!.drops()
  }

  close(): void {
    this.house?.close()
    this.house = null
  }
}
