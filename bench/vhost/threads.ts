/** A process's threads: how much each has worked, and where it may run. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground } from '../compare/ground.ts'

/** Long enough that a forwarding thread has worked many times as much as any other. */
const lookMs = 200

/** CPU time of each thread so far, ns: the first number of /proc/PID/task/TID/schedstat. */
export function worked(pid: number): Map<number, number> {
  const times = new Map<number, number>()
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const [time] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'latin1').split(' ')
      times.set(Number(tid), Number(time))
    } catch {
      // ENOENT, ESRCH: it has ended since
    }
  }
  return times
}

/** Who worked most between two readings. */
export function busiest(before: Map<number, number>, after: Map<number, number>): number {
  const [most] = [...after]
    .map(([tid, time]) => ({ tid, time: time - (before.get(tid) ?? 0) }))
    .sort((x, y) => y.time - x.time)
  return most.tid
}

/** Pins the thread that works most now, as an administrator would who looks at top. */
export async function pin(ground: Ground, pid: number, core: number): Promise<void> {
  const before = worked(pid)
  await sleep(lookMs, undefined, { signal: ground.signal })
  const tid = busiest(before, worked(pid))
  await ground.run('taskset', ['--pid', '--cpu-list', String(core), String(tid)])
}
