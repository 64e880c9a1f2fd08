// Hot: 8 ns a record of 60 bytes (npm run bench -- micro).
import { native } from './native.ts'

/** Writes records of a burst's frames into a capture's ring, as the task at byte `at` of this thread's arena says; see native/record.cc. Returns how many. */
export function recordFrames(at: number): number {
  return native.recordFrames(at)
}
