/**
 * The rules in force: a text is read, checked and compiled here, and posted to the worker that runs the gateway, which swaps it in
 * between two bursts. A text with a mistake changes nothing.
 */
import { check } from '../chain/check.ts'
import { compile, type Numbering } from '../chain/compile.ts'
import type { SetPlace } from '../chain/extension.ts'
import { matchKind, targetKind } from '../chain/kinds.ts'
import type { Finding } from '../chain/lint.ts'
import type { Names, Plan } from '../chain/plan.ts'
import { restore } from '../chain/restore.ts'
import type { Ruleset, TableName } from '../chain/rule.ts'
import { save } from '../chain/save.ts'
import { Tally } from '../table/tally.ts'
import { GATEWAY_WORKER, type Net } from './compile.ts'
import type { Configuration } from './configuration.ts'
import * as counts from './counts.ts'
import type { Crew } from './crew.ts'
import type { Events } from './events.ts'
import { examine, refuse } from './examine.ts'
import { collect } from './garbage.ts'
import type { Member } from './member.ts'
import { merge, type Restoring } from './merge.ts'
import { type Bearer, bearers, numbers } from './names.ts'
import type { Plant } from './plant.ts'
import { Refusal } from './refusal.ts'
import { type WhyRow, why } from './why.ts'

export type { Restoring } from './merge.ts'

/** Rules behind which there is so much garbage that it is taken away at once. */
const MANY = 20_000

/** Sets that rules may use. */
export interface SetDirectory {
  /** the type of a set, null if there is none of that name */
  typeOf(name: string): string | null
  place(name: string): SetPlace | null
}

/** A ruleset that is, or can be, in force. */
interface Force {
  text: string
  ruleset: Ruleset
  /** null as long as there never were rules */
  numbering: Numbering | null
  /** who bore the names that the rules mention when they were compiled */
  bearers: Map<string, Bearer>
  places: counts.Places
  /** that its rules use */
  sets: Set<string>
}

export interface Prepared {
  force: Force
  plan: Plan
}

/** Numbers for what is there; hidden ports have names that only networks answer to. */
function named(numbering: Numbering, nets: Map<string, Net>, members: Map<string, Member>): Names {
  const ports = [...members.values()].filter(({ spec }) => !spec.hidden)
  return numbers(
    numbering,
    [...nets.values()],
    ports.map(({ spec, index }) => ({ name: spec.name, index })),
  )
}

function setsOf({ tables }: Ruleset): Set<string> {
  const result = new Set<string>()
  for (const { chains } of tables.values())
    for (const { rules } of chains.values())
      for (const { matches, target } of rules) {
        for (const { name, data } of matches)
          for (const set of matchKind(name)?.sets?.(data) ?? []) result.add(set)
        const kind = target === null || target.data === null ? undefined : targetKind(target.name)
        for (const set of kind?.sets?.(target?.data) ?? []) result.add(set)
      }
  return result
}

/** Counters of rules begin at nothing unless they are asked for. */
function clear({ tables }: Ruleset): void {
  for (const { chains } of tables.values())
    for (const chain of chains.values())
      for (const each of [chain, ...chain.rules]) each.packets = each.bytes = 0
}

export class Rulebook {
  private readonly plant: Plant
  private readonly crew: Crew
  private readonly sets: SetDirectory
  private readonly events: Events
  private readonly tally: Tally
  private now: Force
  /** who bears which name now */
  private bearers = new Map<string, Bearer>()
  /** what was counted when a swap began: until it is done the counters may be those of either */
  private frozen: Float64Array | null = null

  constructor(plant: Plant, crew: Crew, sets: SetDirectory, events: Events) {
    this.plant = plant
    this.crew = crew
    this.sets = sets
    this.events = events
    this.tally = new Tally(plant.arena, plant.ground.memory.tallyAt)
    const ruleset = restore('')
    const places = new counts.Places(ruleset, null)
    this.now = { text: '', ruleset, numbering: null, bearers: new Map(), places, sets: new Set() }
    plant.ground.names = (nets, members) => {
      const { numbering } = this.now
      return numbering === null ? null : named(numbering, nets, members)
    }
  }

  /**
   * Carries out a change to the configuration `next`: its rules are in force before it, and if it fails those from before are again.
   * Throws a Refusal if they cannot be.
   */
  async around(next: Configuration, change: () => Promise<void>): Promise<void> {
    const { text, ruleset } = this.now
    const wanted = bearers(next)
    const prepared = this.prepare(next, wanted)
    if (prepared !== null) await this.enforce(prepared)
    try {
      await change()
    } catch (error) {
      // What failed first is told; that the rules from before could not come back would follow from it.
      if (prepared !== null) await this.enforce(this.compile(text, ruleset, this.bearers)).catch(() => {})
      throw error
    }
    this.bearers = wanted
  }

  /** What `next` changes about the rules, null if nothing. */
  private prepare(next: Configuration, wanted: Map<string, Bearer>): Prepared | null {
    const { now } = this
    const { path, text } = next.rules ?? { path: '', text: '' }
    if (text === now.text && !this.isOther(wanted)) return null
    try {
      return this.compile(text, text === now.text ? now.ruleset : restore(text), wanted)
    } catch (error) {
      throw refuse(error, path)
    }
  }

  /** What a restored text changes; throws a Refusal with the place in the text. */
  restore(text: string, how: Restoring): Prepared {
    try {
      const { named, ...whole } = merge(text, this.now.ruleset, how, (each) => this.check(each))
      return this.compile(whole.text, whole.ruleset, this.bearers, how.counters === true ? named : null)
    } catch (error) {
      throw refuse(error)
    }
  }

  /** The rules as they are, compiled for sets that are others now; null if there are none. */
  again(): Prepared | null {
    const { text, ruleset, numbering } = this.now
    return numbering === null ? null : this.compile(text, ruleset, this.bearers)
  }

  /** Puts prepared rules in force; resolves once no packet meets the old ones. Throws a Refusal if the old ones stay. */
  async enforce({ force, plan }: Prepared): Promise<void> {
    const { nets, members } = this.plant
    plan.names = named(force.numbering as Numbering, nets, members)
    this.events.follow(force.ruleset, force.numbering as Numbering)
    this.frozen = this.counted()
    try {
      await this.crew.tell(GATEWAY_WORKER, { type: 'rules', plan })
    } catch (error) {
      const why = `the dataplane could not prepare them: ${(error as Error).message}`
      throw new Refusal('rules', why, 'those from before stay; correct or divide what is new')
    } finally {
      this.frozen = null
    }
    const wasMany = this.now.numbering !== null && this.now.numbering.counters.length > MANY
    this.now = force
    // Not before this call has let go of the plan.
    if (wasMany || plan.rules > MANY) setImmediate(collect)
  }

  get text(): string {
    return this.now.text
  }

  get ruleset(): Ruleset {
    return this.now.ruleset
  }

  /** null as long as there never were rules. */
  get numbering(): Numbering | null {
    return this.now.numbering
  }

  /** True if a rule in force uses the set. */
  uses(set: string): boolean {
    return this.now.sets.has(set)
  }

  rows(excerpt?: counts.Excerpt): counts.RuleRow[] {
    const { ruleset, places } = this.now
    return counts.rows(ruleset, places, this.counted(), excerpt)
  }

  /** Counters by label; they are read once. */
  samples(): counts.RuleSamples {
    return this.now.places.sum(this.counted())
  }

  /** As iptables-save prints them. */
  save(withCounters: boolean): string {
    const { ruleset, places } = this.now
    const counted = this.counted()
    return save(ruleset, (table, chain, index) => places.count(counted, table, chain, index), withCounters)
  }

  /** What may be wrong with a text that would be accepted; throws a Refusal for one that would not. */
  examine(text: string): Finding[] {
    return examine(text, {
      typeOf: (name) => this.sets.typeOf(name),
      known: (name) => this.bearers.has(name),
    })
  }

  /** What would happen to a packet now; throws a Refusal for a text that is none. */
  why(flow: string, port?: string): WhyRow {
    return why(this.plant, this.now.ruleset, this.sets, flow, port)
  }

  private check(ruleset: Ruleset): void {
    check(ruleset, (name) => this.sets.typeOf(name))
  }

  private counted(): Float64Array {
    return this.frozen ?? this.tally.read(this.now.numbering?.counters.length ?? 0)
  }

  /** True if a name that a rule says is borne by a network now and was not, or the other way round. */
  private isOther(wanted: Map<string, Bearer>): boolean {
    const { numbering, bearers } = this.now
    const isNetwork = (of: Map<string, Bearer>, name: string) => of.get(name) === 'network'
    return numbering?.names.some((name) => isNetwork(bearers, name) !== isNetwork(wanted, name)) ?? false
  }

  /** Checks and compiles. Counters go on where a rule stays; those of tables in `begun` begin with what the text says. */
  private compile(
    text: string,
    ruleset: Ruleset,
    bearers: Map<string, Bearer>,
    begun: Set<TableName> | null = null,
  ): Prepared {
    this.check(ruleset)
    if (begun === null) clear(ruleset)
    const context = {
      kindOf: (name: string) => bearers.get(name) ?? null,
      set: (name: string) => this.sets.place(name),
      flows: this.plant.ground.memory.flowCapacity,
    }
    const { plan, numbering } = compile(ruleset, context, this.now.numbering)
    if (begun !== null)
      numbering.counters.forEach(({ table }, n) => {
        if (begun.has(table)) plan.carried[n] = -1
      })
    const places = new counts.Places(ruleset, numbering)
    return { force: { text, ruleset, numbering, bearers, places, sets: setsOf(ruleset) }, plan }
  }
}
