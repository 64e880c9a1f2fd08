/**
 * Runs functions with made-up packets until V8 has optimised them: the first packets of new rules would otherwise take a hundred times as
 * long. The registers say FAST, so that nothing is changed or remembered, and headers lie where the arena begins.
 */
import type { Probe } from './probe.ts'
import * as r from './registers.ts'
import type { Chain } from './runner.ts'

/** How long one function is run, and all together: V8 optimises after some hundred calls of a function of 24 rules. */
const FUNCTION_MS = 0.8
const ALL_MS = 300
/** Calls between two looks at the clock. */
const CALLS = 2

export class Warming {
  private readonly functions: readonly Chain[]
  private readonly probes: readonly Probe[]
  private readonly x: Int32Array
  private readonly kept: Int32Array
  private next = 0
  private left: number
  private random = 1

  constructor(functions: readonly Chain[], probes: readonly Probe[], x: Int32Array) {
    this.functions = functions
    this.probes = probes
    this.x = x
    this.kept = x.slice()
    this.left = ALL_MS
  }

  /** Runs one function for its time; true if all had theirs. */
  step(): boolean {
    const { functions, x, kept } = this
    if (this.next >= functions.length || this.left <= 0) return true
    const run = functions[this.next++]
    const begin = performance.now()
    const share = Math.min(FUNCTION_MS, ALL_MS / functions.length)
    kept.set(x)
    let spent = 0
    do {
      for (let call = 0; call < CALLS; call++) {
        this.packet()
        run()
      }
      spent = performance.now() - begin
    } while (spent < share)
    x.set(kept)
    this.left -= spent
    return false
  }

  private packet(): void {
    const { x, probes } = this
    x.fill(0)
    x[r.SOURCE] = this.word()
    x[r.DESTINATION] = this.word()
    x[r.PORTS] = this.word()
    x[r.PROTOCOL] = this.word() & 1 ? 6 : 17
    x[r.STATE] = 1 << (this.word() & 3)
    x[r.LENGTH] = 40 + (this.word() & 1023)
    x[r.TRANSPORT] = 20
    x[r.END] = x[r.LENGTH]
    x[r.FAST] = 1
    if (probes.length > 0 && this.word() & 1)
      probes[(this.word() >>> 1) % probes.length].aim(this.word() >>> 1)
  }

  private word(): number {
    this.random = Math.imul(this.random, 1664525) + 1013904223
    return this.random ^ (this.random >>> 15)
  }
}
