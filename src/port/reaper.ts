/** The reaper for control: what shall not outlive this process, however it ends. See native/reaper.cc. */
import { native } from '../memory/native.ts'

/** Forks the reaper, once for a process. Call before anything exists that it could inherit. */
export function start(): void {
  native.reaperStart()
}

/** Has a file or socket removed when this process ends without removing it. */
export function watchPath(path: string): void {
  native.reaperWatch('path', path, '')
}

export function forgetPath(path: string): void {
  native.reaperForget('path', path)
}
