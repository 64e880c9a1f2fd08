/** Random rulesets and their sets for a house, one after the other. Seed and order bring each back. */
import { restoreSets } from '../../src/chain/sets.ts'
import { Bodies } from '../../src/control/body.ts'
import { Draft, type Held } from '../../src/control/draft.ts'
import { carry } from '../../src/table/change.ts'
import type { House } from './house.ts'
import type { Random } from './random.ts'
import { type Line, ruleset, textOf, tidied, type Written } from './ruleset.ts'

/** What lets packets out with the addresses that they have inside, as in the kernel. */
function isLeak({ table, text }: Line): boolean {
  return /NOTRACK|--notrack/.test(text) || (table === 'nat' && text.endsWith('-j ACCEPT'))
}

/** Gives a house sets: where they lie, by name. */
export function fill(house: House, text: string): ReadonlyMap<string, Held> {
  const { arena, time } = house.rig
  const draft = new Draft(new Map(), new Bodies(arena), time, () => false)
  draft.run(restoreSets(text))
  carry(arena, draft.seal(new Map()), time)
  return draft.sets
}

export class Ruling {
  /** how many rulesets there were */
  count = 0
  /** the one in force, as text */
  text = ''
  private readonly random: Random
  private readonly houses: House[]
  private readonly keeps: (text: string, count: number) => boolean
  /** of each house */
  private sets: ReadonlyMap<string, Held>[] = []

  /** All houses get the same rules, but for those that `keeps` is false for: it is told a rule and how many rulesets there were. */
  constructor(random: Random, houses: House[], keeps: (text: string, count: number) => boolean = () => true) {
    this.houses = houses
    this.random = random
    this.keeps = keeps
  }

  /** Another ruleset, the same once in a while, or none. */
  next(): void {
    const { random } = this
    this.count++
    if (random.once(8) && this.text !== '') this.enforce(this.text)
    else if (random.once(12)) this.enforce('')
    else this.write(ruleset(random, this.count))
  }

  /** Puts a ruleset in force, but for what lets inside addresses out; sets are those of the first one that has any. */
  private write(written: Written): void {
    const { houses } = this
    if (this.sets.length === 0 && written.sets !== '')
      this.sets = houses.map((house) => fill(house, written.sets))
    const lines = written.lines.filter((line) => !isLeak(line) && this.keeps(line.text, this.count))
    this.enforce(textOf(tidied({ ...written, lines })))
  }

  /** Puts a text in force. */
  enforce(text: string): void {
    this.text = text
    this.houses.forEach((house, h) => {
      house.rules(text, (name) => {
        const held = this.sets[h]?.get(name)
        return held === undefined ? null : { name, type: held.made.type, at: held.at }
      })
    })
  }
}
