/** CPU time used, in seconds: by the whole machine and by a switch's own processes, threads included. */
import { readFileSync } from 'node:fs'

/** Both files count in ticks of USER_HZ, 100 per second on every architecture Node runs on (time(7)). */
const ticksPerSecond = 100

export interface Usage {
  /** all CPUs, whatever ran: user, nice, system, irq and softirq; not idle, not waiting, not stolen by the hypervisor */
  machine: number
  /** user and system time of the given processes; null without processes */
  own: number | null
}

function machine(): number {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'latin1')
    .slice(3, 200)
    .trim()
    .split(/\s+/)
    .map(Number)
  return (user + nice + system + irq + softirq) / ticksPerSecond
}

/** proc_pid_stat(5): the name in parentheses may hold spaces; utime and stime are fields 14 and 15, the state is field 3. */
function own(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[14 - 3]) + Number(fields[15 - 3])) / ticksPerSecond
}

export function usage(pids: number[]): Usage {
  return { machine: machine(), own: pids.length === 0 ? null : pids.reduce((sum, pid) => sum + own(pid), 0) }
}

/** What was used between two readings. */
export function between(before: Usage, after: Usage): Usage {
  const own = before.own === null || after.own === null ? null : after.own - before.own
  return { machine: after.machine - before.machine, own }
}
