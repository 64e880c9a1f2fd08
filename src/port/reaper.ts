/** The reaper for control: what shall not outlive this process, however it ends. See native/reaper.cc. */
import { native } from '../memory/native.ts'

let isRunning = false

/** Forks the reaper, once for a process. Call before anything exists that it could inherit: what is mapped now, it keeps mapped. */
export function start(): void {
  if (isRunning) return
  native.reaperStart()
  isRunning = true
}

/** Has a file or socket removed when this process ends without removing it. */
export function watchPath(path: string): void {
  native.reaperWatch('path', path, '')
}

/** Has a process killed when this one ends before it. */
export function watchProcess(pid: number): void {
  native.reaperWatch('process', String(pid), '')
}

export function forgetProcess(pid: number): void {
  native.reaperForget('process', String(pid))
}
