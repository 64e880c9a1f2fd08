/** What the heap does while a million frames move: said between two lines of output, for a parent that reads --trace-gc. */
import { writeSync } from 'node:fs'

/** Several times, so that V8 compiles what calls the bursts too. */
const WARM = 100_000
const FRAMES = 1_000_000
const ATTEMPTS = 6
/** 16 bytes for each of 15,625 bursts would be 244 KiB. */
const NOISE_BYTES = 16_384

export interface Report {
  frames: number
  /** frames that left in the attempt that counts */
  moved: number
  grownBytes: number
}

/** Warms up what `move` does with a count of frames, and writes a Report; `moved` says how many have left. */
export function measure(
  move: (count: number) => void,
  moved: () => number,
  rounds = 8,
  frames = FRAMES,
): void {
  for (let i = 0; i < rounds; i++) move(WARM)
  globalThis.gc!()
  globalThis.gc!()
  let grownBytes = Number.POSITIVE_INFINITY
  let left = 0
  writeSync(1, 'steady state begins\n')
  // V8 may still compile a function anew, which leaves up to 200 KiB once; what frames cost, they cost every time.
  for (let attempt = 0; attempt < ATTEMPTS && grownBytes > NOISE_BYTES; attempt++) {
    const before = process.memoryUsage().heapUsed
    const leftBefore = moved()
    move(frames)
    left = moved() - leftBefore
    grownBytes = process.memoryUsage().heapUsed - before
  }
  writeSync(1, 'steady state ends\n')
  const report: Report = { frames, moved: left, grownBytes }
  writeSync(1, `${JSON.stringify(report)}\n`)
}
