/** What the page and `bridgeport top` are told again and again: rates, made once for all who look, and only while somebody does. */
import type { FlowRow } from '../flows.ts'
import type { NetworkRow, PortRow } from '../rows.ts'

/** A port without what changes all the time. */
export type PortPicture = Omit<
  PortRow,
  'rxFrames' | 'rxBytes' | 'txFrames' | 'txBytes' | 'unlearned' | 'drops'
>

/** Who is plugged in where: told first, and whenever it has changed. */
export interface Picture {
  version: string
  pid: number
  networks: NetworkRow[]
  /** those of gateways too: NETWORK, which stands for it inside, and NETWORK-uplink */
  ports: PortPicture[]
  workers: number
}

/** Of one port, a second: frames and bytes received, frames and bytes sent, frames dropped. */
export type PortRates = [number, number, number, number, number]

export interface TopFlow extends FlowRow {
  /** both directions, a second */
  packetRate: number
  byteRate: number
}

/** What happened since the sample before. */
export interface Sample {
  /** milliseconds since 1970 */
  time: number
  /** since the sample before, which the rates are over; 0, and nothing has a rate, if there is none before */
  seconds: number
  uptimeSeconds: number
  memoryBytes: number
  /** by name; a port that is at rest is left out */
  ports: Record<string, PortRates>
  /** frames dropped in all, by port and reason; a port that dropped none is left out */
  drops: Record<string, Record<string, number>>
  /** share of its time that it had work, 0 to 1, and frames a second */
  workers: { busy: number; frames: number }[]
  flows: {
    count: number
    capacity: number
    /** begun a second */
    created: number
    /** the busiest, by bytes */
    top: TopFlow[]
  }
  /** captures under way */
  captures: number
}
