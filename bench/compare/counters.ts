/** An interface's counters as proc_pid_net(5) shows them: no process is started, so that reading disturbs nothing. */
import { readFileSync } from 'node:fs'

export interface Counters {
  rxFrames: number
  txFrames: number
  /** what the interface refused to take from its sender */
  txDrops: number
}

/** Columns of /proc/net/dev after the name: eight of receive (bytes, packets, …), then bytes, packets, errs, drop of transmit. */
const column = { rxPackets: 1, txPackets: 9, txDrop: 11 }

/** Reads a `net/dev` file; null when it has no such interface. */
export function counters(path: string, ifname: string): Counters | null {
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    const [name, values] = line.split(':')
    if (name.trim() !== ifname || values === undefined) continue
    const numbers = values.trim().split(/\s+/).map(Number)
    return {
      rxFrames: numbers[column.rxPackets],
      txFrames: numbers[column.txPackets],
      txDrops: numbers[column.txDrop],
    }
  }
  return null
}
