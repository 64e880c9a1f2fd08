// Hot: TRACE: every rule and policy that a traced packet meets goes into the journal.
import type { Arena } from '../memory/arena.ts'
import { Journal, TRACE } from '../table/journal.ts'
import type { Traced } from './engine.ts'

export class Trace implements Traced {
  private readonly journal: Journal
  private readonly x: Int32Array

  constructor(arena: Arena, at: number, x: Int32Array) {
    this.journal = new Journal(arena, at)
    this.x = x
  }

  tell(counter: number): void {
    this.journal.write(this.x, TRACE, counter)
  }

  /** Other rules are in force from now on. */
  turn(): void {
    this.journal.turn()
  }
}
