/** Stages for the tests of a file: each is taken down after its test, and then nothing may be held that was not before. */
import { afterEach, beforeEach, expect } from 'vitest'
import { offered } from '../../../src/vhost/feature.ts'
import type { Outcome, Terms } from '../../../src/vhost/session.ts'
import type { Memory } from './memory.ts'
import { holdings, Stage } from './stage.ts'

export class House {
  private before = holdings()
  private readonly stages: Stage[] = []

  constructor() {
    beforeEach(() => {
      this.before = holdings()
    })
    afterEach(async () => {
      for (const each of this.stages.splice(0)) await each.close()
      this.empty()
    })
  }

  stage(terms: Partial<Terms> = {}, memory?: Memory): Stage {
    const made = new Stage(terms, memory)
    this.stages.push(made)
    return made
  }

  /** Nothing is held that was not before the test. */
  empty(): void {
    expect(holdings()).toEqual(this.before)
  }
}

/** Plays a text and expects exactly what stands in it. */
export async function play(on: Stage, text: string): Promise<void> {
  const expected = text.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))
  expect(await on.play(text)).toEqual(expected.filter((line) => line !== ''))
}

/** Everything until both rings of a pair run. */
export async function run(on: Stage, features: bigint = offered(2, true)): Promise<void> {
  await on.play(`
    SET_FEATURES ${features}
    SET_MEM_TABLE
    ${[0, 1].map(ring).join('\n')}`)
}

/** The lines that start a ring. */
export function ring(index: number): string {
  return `
    SET_VRING_NUM ${index} 256
    SET_VRING_ADDR ${index}
    SET_VRING_CALL ${index}
    SET_VRING_KICK ${index}
    SET_VRING_ENABLE ${index} 1`
}

/** A message as it is given. */
export function say(on: Stage, request: number, payload: Buffer, fds: number[] = []): Promise<Outcome> {
  return on.session.handle({ request, flags: 1, payload, fds })
}
