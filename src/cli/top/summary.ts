/** What `bridgeport top` shows of a moment: the live stream's picture and samples put together, the busiest first. */
import type { Picture, Sample, TopFlow } from '../../control/live/live.ts'

/** A port and what happened there a second. */
export interface PortLine {
  name: string
  network: string
  type: string
  state: string
  rxFrameRate: number
  rxByteRate: number
  txFrameRate: number
  txByteRate: number
  dropRate: number
}

/** Why frames were dropped, and at which ports: `total` and `ports` count since the counters began. */
export interface DropLine {
  reason: string
  dropRate: number
  total: number
  ports: Record<string, number>
}

/** What `top --once --json` prints. Rates are a second. */
export interface Summary {
  version: string
  pid: number
  /** milliseconds since 1970, and seconds that the rates are made of */
  time: number
  seconds: number
  uptimeSeconds: number
  memoryBytes: number
  captures: number
  workers: Sample['workers']
  ports: PortLine[]
  drops: DropLine[]
  flows: Sample['flows']
}

const REST = [0, 0, 0, 0, 0] as const

function portsOf(picture: Picture, sample: Sample): PortLine[] {
  const lines = picture.ports.map(({ name, network, type, state }) => {
    const [rxFrameRate, rxByteRate, txFrameRate, txByteRate, dropRate] = sample.ports[name] ?? REST
    return { name, network, type, state, rxFrameRate, rxByteRate, txFrameRate, txByteRate, dropRate }
  })
  return lines.sort((a, b) => portRate(b) - portRate(a))
}

function dropsOf(ports: readonly PortLine[], sample: Sample, before: Sample): DropLine[] {
  const lines = new Map<string, DropLine>()
  const seconds = Math.max(sample.time - before.time, 1) / 1000
  for (const { name } of ports)
    for (const [reason, count] of Object.entries(sample.drops[name] ?? {})) {
      const line = lines.get(reason) ?? { reason, dropRate: 0, total: 0, ports: {} }
      lines.set(reason, line)
      line.total += count
      line.ports[name] = count
      // A port that was removed and made again begins at zero.
      line.dropRate += Math.max(count - (before.drops[name]?.[reason] ?? 0), 0) / seconds
    }
  return [...lines.values()].sort((a, b) => b.dropRate - a.dropRate || b.total - a.total)
}

/** Bytes a second, both ways. */
export function portRate({ rxByteRate, txByteRate }: PortLine): number {
  return rxByteRate + txByteRate
}

/** Puts a sample, the one before it and the picture together, of one network if it is named. */
export function summarize(picture: Picture, sample: Sample, before: Sample, network?: string): Summary {
  const isMeant = (name: string) => network === undefined || name === network
  const ports = portsOf(picture, sample).filter((line) => isMeant(line.network))
  const top = sample.flows.top.filter((flow: TopFlow) => isMeant(flow.network) || isMeant(flow.egress))
  const { version, pid } = picture
  const { time, seconds, uptimeSeconds, memoryBytes, captures, workers } = sample
  return {
    ...{ version, pid, time, seconds, uptimeSeconds, memoryBytes, captures, workers, ports },
    drops: dropsOf(ports, sample, before),
    flows: { ...sample.flows, top },
  }
}
