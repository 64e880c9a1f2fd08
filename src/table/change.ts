// Cold: orders come from people and timers, an object a change is cheap.
/** Changes of sets as the control thread orders them: 8 int32 each. */
import type { Arena } from '../memory/arena.ts'
import { DONE } from './entry.ts'
import { SetTable } from './set.ts'

export const WORDS = 8
/** words of a change: what, and the slot of which set, bytes */
export const VERB = 0
export const SLOT = 1
/** of ADD and REMOVE; NOMATCH or 0, milliseconds as in SetTable.add, and 1 where what is there already, or is not there, is no failure */
export const ADDRESS = 2
export const KEY = 3
export const NOMATCH = 4
export const TIMEOUT = 5
export const LENIENT = 6
/** of LAY: where the body begins, int32 position; of SWEEP: how many places */
export const VALUE = 2

export const LAY = 1
export const ADD = 2
export const REMOVE = 3
export const SWEEP = 4

/** Carries out changes in order up to the first that fails: 0, or its answer | position << 8. */
export function carry(arena: Arena, changes: Int32Array, now: number): number {
  for (let at = 0; at < changes.length; at += WORDS) {
    const verb = changes[at + VERB]
    if (verb === LAY) {
      Atomics.store(arena.i32, changes[at + SLOT] >> 2, changes[at + VALUE])
      continue
    }
    const set = new SetTable(arena, changes[at + SLOT])
    if (verb === SWEEP) {
      set.sweep(changes[at + VALUE], now)
      continue
    }
    const lenient = changes[at + LENIENT] !== 0
    const address = changes[at + ADDRESS]
    const key = changes[at + KEY]
    const answer =
      verb === ADD
        ? set.add(address, key, changes[at + NOMATCH], changes[at + TIMEOUT], lenient, now)
        : set.remove(address, key, now)
    if (answer !== DONE && !(lenient && verb === REMOVE)) return answer | ((at / WORDS) << 8)
  }
  return 0
}
