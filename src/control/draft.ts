/**
 * Sets as they shall be: commands are carried out on bodies of their own, next to those that packets meet, until all are known to be
 * right. Then one order puts the new bodies in the place of the old ones.
 */
import { randomInt } from 'node:crypto'
import type { Creation } from '../chain/creation.ts'
import { type Element, entries, printPresent } from '../chain/element.ts'
import { Misread } from '../chain/misread.ts'
import type { Command, Place } from '../chain/sets.ts'
import * as change from '../table/change.ts'
import { ABSENT, EXISTS, FULL } from '../table/entry.ts'
import * as roster from '../table/roster.ts'
import { SetTable } from '../table/set.ts'
import { NOMATCH } from '../table/shape.ts'
import { type Bodies, type Body, deadlineOf, type Held, isLate } from './body.ts'

export type { Held } from './body.ts'

/** Why an answer of table/entry.ts is none that was wished, and what to do. */
const WHY: Record<number, readonly [string, string]> = {
  [EXISTS]: ['it is in the set already', 'leave it out or say -exist'],
  [FULL]: ['the set is full', 'make the set with a larger maxelem'],
  [ABSENT]: ['it is not in the set', 'leave it out or say -exist'],
}

export class Draft {
  readonly sets: Map<string, Held>
  private readonly bodies: Bodies
  private readonly table: SetTable
  private readonly now: number
  private readonly inUse: (name: string) => boolean
  /** bodies that were laid here, and slots that were taken */
  private readonly fresh = new Set<Body>()
  private readonly slots: number[] = []

  constructor(
    before: ReadonlyMap<string, Held>,
    bodies: Bodies,
    now: number,
    inUse: (name: string) => boolean,
  ) {
    this.sets = new Map(before)
    this.bodies = bodies
    this.table = new SetTable(bodies.arena, bodies.desk({ region: '', at: 0 }))
    this.now = now
    this.inUse = inUse
  }

  /** Carries out commands; throws Misread or Refusal for the first that fails: `drop` the draft then. */
  run(commands: readonly Command[]): void {
    for (const command of commands) this.step(command)
  }

  private step(command: Command): void {
    if (command.verb === 'create') {
      this.create(command.made)
      return
    }
    const { verb, place, name } = command
    const held = this.sets.get(name)
    if (held === undefined) return
    if (verb === 'add') this.add(held, command.element, command.exist, place)
    else if (verb === 'del') this.remove(held, command.element, command.exist, place)
    else if (verb === 'flush') this.put({ ...held, body: this.lay(held.made), members: [] })
    else if (verb === 'destroy') {
      this.free(name, place)
      this.sets.delete(name)
    } else if (verb === 'rename') {
      this.free(name, place)
      this.sets.delete(name)
      this.put({ ...held, made: { ...held.made, name: command.other } })
    } else if (verb === 'swap') this.swap(held, this.sets.get(command.other))
  }

  private swap(one: Held, other: Held | undefined): void {
    if (other === undefined) return
    this.put({ ...other, at: one.at, made: { ...other.made, name: one.made.name } })
    this.put({ ...one, at: other.at, made: { ...one.made, name: other.made.name } })
  }

  private put(held: Held): void {
    this.sets.set(held.made.name, held)
  }

  private lay(made: Creation): Body {
    const body = this.bodies.lay(made)
    this.fresh.add(body)
    return body
  }

  private create(made: Creation): void {
    if (this.sets.has(made.name)) return
    const body = this.lay(made)
    const at = this.bodies.slot(made.name)
    this.slots.push(at)
    this.put({ made: { ...made, initval: made.initval ?? randomInt(2 ** 32) }, at, body, members: [] })
  }

  /** Throws Misread if rules or lists use the set. */
  private free(name: string, place: Place): void {
    const list = [...this.sets.values()].find(({ members }) =>
      members.some((each) => each.name === name && !isLate(each.deadline, this.now)),
    )
    if (list !== undefined)
      throw refusal(place, `list ${list.made.name} has it`, `take it out of ${list.made.name} before`)
    if (this.inUse(name)) throw refusal(place, 'rules use it', 'take it out of the rules before')
  }

  /** The set with a body that may be written to. */
  private own(held: Held): Held {
    if (this.fresh.has(held.body)) return held
    const { arena } = this.bodies
    const present = roster.entries(arena, held.at, this.now)
    const mine = { ...held, body: this.lay(held.made) }
    this.bodies.desk(mine.body)
    for (const { address, key, nomatch, timeoutMs } of present)
      this.table.add(address, key, nomatch ? NOMATCH : 0, timeoutMs, true, this.now)
    this.put(mine)
    return mine
  }

  private add(held: Held, element: Element, exist: boolean, place: Place): void {
    if (held.made.type === 'list:set') {
      this.enlist(held, element, exist, place)
      return
    }
    this.bodies.desk(this.own(held).body)
    const timeoutMs = element.timeout === null ? -1 : element.timeout * 1000
    const nomatch = element.nomatch ? NOMATCH : 0
    for (const { address, key } of entries(held.made, element)) {
      const answer = this.table.add(address, key, nomatch, timeoutMs, exist, this.now)
      if (answer !== 0) throw failed(held.made, address, key, answer, place)
    }
  }

  private remove(held: Held, element: Element, exist: boolean, place: Place): void {
    if (held.made.type === 'list:set') {
      this.delist(held, element, exist, place)
      return
    }
    this.bodies.desk(this.own(held).body)
    for (const { address, key } of entries(held.made, element)) {
      const answer = this.table.remove(address, key, this.now)
      if (answer !== 0 && !exist) throw failed(held.made, address, key, answer, place)
    }
  }

  private living(held: Held): Held['members'] {
    return held.members.filter(({ deadline }) => !isLate(deadline, this.now))
  }

  private enlist(held: Held, element: Element, exist: boolean, place: Place): void {
    const { member, beside } = element
    const other = this.sets.get(member)
    if (other === undefined) throw refusal(place, 'there is no set of that name', 'create it before')
    if (other.made.type === 'list:set') throw refusal(place, 'is a list itself', 'name sets of other types')
    const seconds = element.timeout ?? held.made.timeout
    const listed = { name: member, deadline: deadlineOf(seconds, this.now) }
    const members = [...this.living(held)]
    const present = members.findIndex(({ name }) => name === member)
    if (present >= 0 && !exist) throw refusal(place, ...WHY[EXISTS])
    // One that is there already keeps its place, whatever is asked.
    if (present >= 0) members[present] = listed
    else {
      const at = beside === null ? members.length : members.findIndex(({ name }) => name === beside.name)
      if (at < 0) throw refusal(place, `${beside?.name} is not in the list`, 'name one that is')
      members.splice(beside === null || beside.before ? at : at + 1, 0, listed)
    }
    if (members.length > held.made.maxelem)
      throw refusal(place, 'the list is full', 'make it with a larger size')
    this.put({ ...held, members })
  }

  private delist(held: Held, element: Element, exist: boolean, place: Place): void {
    const members = this.living(held).filter(({ name }) => name !== element.member)
    if (members.length === this.living(held).length && !exist) throw refusal(place, ...WHY[ABSENT])
    this.put({ ...held, members })
  }

  /** Sets that come in the place of those of the same name take over their slots: rules know a set by its slot. */
  inherit(before: ReadonlyMap<string, Held>): void {
    const used = new Set([...this.sets.values()].map(({ at }) => at))
    for (const [name, held] of this.sets) {
      const slot = before.get(name)?.at
      if (slot === undefined || used.has(slot)) continue
      this.bodies.release(held.at)
      this.slots.splice(this.slots.indexOf(held.at), 1)
      this.put({ ...held, at: slot })
    }
  }

  /** The changes that make the sets of `before` what the draft is. */
  seal(before: ReadonlyMap<string, Held>): Int32Array {
    const slots = new Map([...before.values()].map(({ at, body }) => [at, body]))
    for (const held of this.sets.values()) {
      const isOther = before.get(held.made.name)?.members !== held.members || slots.get(held.at) !== held.body
      if (held.made.type !== 'list:set' || !isOther) continue
      const body = this.fresh.has(held.body) ? held.body : this.lay(held.made)
      const members = held.members.flatMap(({ name, deadline }) => {
        const member = this.sets.get(name)
        return member === undefined ? [] : [{ at: member.at, deadline }]
      })
      this.bodies.enlist(body, members)
      this.put({ ...held, body })
    }
    const changes: number[] = []
    const lay = (at: number, body: number) => changes.push(change.LAY, at, body, 0, 0, 0, 0, 0)
    for (const { at, body } of this.sets.values()) {
      if (slots.get(at) !== body) lay(at, body.at >> 2)
      slots.delete(at)
    }
    for (const at of slots.keys()) lay(at, 0)
    return Int32Array.from(changes)
  }

  /** Gives back what the draft laid. */
  drop(): void {
    for (const body of this.fresh) this.bodies.free(body)
    for (const at of this.slots) this.bodies.release(at)
  }

  /** Gives back what the draft laid and does not need any more: a set that came and went in one text. */
  trim(): void {
    const kept = new Set([...this.sets.values()].map(({ body }) => body))
    const slots = new Set([...this.sets.values()].map(({ at }) => at))
    for (const body of this.fresh) if (!kept.has(body)) this.bodies.free(body)
    for (const at of this.slots) if (!slots.has(at)) this.bodies.release(at)
  }
}

function refusal({ line, column, word }: Place, why: string, remedy: string): Misread {
  return new Misread(line, column, word, why, remedy)
}

export function failed(made: Creation, address: number, key: number, answer: number, place: Place): Misread {
  const shown = printPresent(made, { address, key, nomatch: false, timeout: null })
  const [why, remedy] = WHY[answer] ?? ['it does not fit', 'see the type of the set']
  return refusal(place, shown === place.word ? why : `${shown}: ${why}`, remedy)
}
