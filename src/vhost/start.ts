/** How a ring that workers are told of comes into being: seldom, and it may allocate. */
import type { RingProgram } from './front.ts'
import { SplitRing } from './ring.ts'

/**
 * The ring of a program, null for none; throws a NativeError if it is not in the guest's memory. One that ran before goes on where it is,
 * another begins at its base. `keptAt` is where its next entry is kept, an int32 position of the arena.
 */
export function start(
  before: SplitRing | null,
  program: RingProgram | null,
  table: number,
  eventIndex: boolean,
  i32: Int32Array,
  keptAt: number,
): SplitRing | null {
  if (program === null) return null
  const next = before?.generation === program.generation ? before.next : program.base
  return new SplitRing(program, table, eventIndex, i32, keptAt, next)
}
