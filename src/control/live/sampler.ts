/** Reads the arena's counters now and then and tells what happened between. It exists only while somebody looks. */
import * as flows from '../flows.ts'
import * as listing from '../listing.ts'
import type { Totals, WorkerRow } from '../rows.ts'
import type { Switch } from '../switch.ts'
import { version } from '../version.ts'
import type { Picture, PortRates, Sample, TopFlow } from './live.ts'
import type { Pace } from './pace.ts'
import { Talkers } from './talkers.ts'

/** What a sample is made from. */
interface Reading {
  atMs: number
  /** by name, with the place among the counters */
  ports: Map<string, { index: number; totals: Totals }>
  workers: WorkerRow[]
  created: number
}

function dropped({ drops }: Totals): number {
  return Object.values(drops).reduce((sum, count) => sum + count, 0)
}

function numbers(totals: Totals): PortRates {
  return [totals.rxFrames, totals.rxBytes, totals.txFrames, totals.txBytes, dropped(totals)]
}

/** To a tenth, which is enough for who looks. */
function rate(count: number, seconds: number): number {
  return seconds === 0 ? 0 : Math.round((count / seconds) * 10) / 10
}

function load(last: WorkerRow, now: WorkerRow, seconds: number): Sample['workers'][number] {
  const busy = seconds === 0 ? 0 : (now.busySeconds - last.busySeconds) / seconds
  return {
    busy: Math.min(1, Math.round(busy * 1000) / 1000),
    frames: rate(now.frames - last.frames, seconds),
  }
}

export class Sampler {
  private readonly fabric: Switch
  private readonly talkers = new Talkers()
  private readonly scans: Pace
  private top: TopFlow[] = []
  private last: Reading | null = null

  constructor(fabric: Switch, scans: Pace) {
    this.fabric = fabric
    this.scans = scans
  }

  picture(): Picture {
    const { fabric } = this
    const ports = fabric.ports(true).map((row) => {
      const { rxFrames, rxBytes, txFrames, txBytes, unlearned, drops, ...port } = row
      return port
    })
    const workers = fabric.plant.workers
    return { version, pid: process.pid, networks: fabric.networks(), ports, workers }
  }

  /** What happened since the last one, with at most `count` of the busiest flows. */
  sample(count: number): Sample {
    const now = this.read()
    const last = this.last ?? now
    this.last = now
    const seconds = (now.atMs - last.atMs) / 1000
    this.talk(count)
    const source = flows.source(this.fabric.plant)
    const created = rate(now.created - last.created, seconds)
    return {
      time: Date.now(),
      seconds,
      uptimeSeconds: Math.round(process.uptime()),
      memoryBytes: process.memoryUsage.rss(),
      ...traffic(last, now, seconds),
      workers: now.workers.map((worker, at) => load(last.workers[at], worker, seconds)),
      flows: { count: flows.count(source), capacity: source.capacity, created, top: this.top },
      captures: this.fabric.captures().active,
    }
  }

  /** The busiest flows; a large table is looked at less often. */
  private talk(count: number): void {
    this.scans.act(() => {
      this.top = this.talkers.look(flows.source(this.fabric.plant), count)
    })
  }

  private read(): Reading {
    const { plant } = this.fabric
    const ports = listing.shown(plant, true).map(({ spec, index }) => {
      return [spec.name, { index, totals: plant.totals.port(index) }] as const
    })
    const created = flows.created(flows.source(plant))
    return { atMs: performance.now(), ports: new Map(ports), workers: plant.totals.workers(), created }
  }
}

/** Rates of ports that are not at rest, and drops of those that had any. */
function traffic(last: Reading, now: Reading, seconds: number): Pick<Sample, 'ports' | 'drops'> {
  const ports: Sample['ports'] = {}
  const drops: Sample['drops'] = {}
  for (const [name, { index, totals }] of now.ports) {
    const before = last.ports.get(name)
    const were = before?.index === index ? numbers(before.totals) : [0, 0, 0, 0, 0]
    const are = numbers(totals)
    // Another port of the same name counts from zero.
    const isOther = are.some((count, at) => count < were[at])
    const rates = are.map((count, at) => rate(isOther ? count : count - were[at], seconds)) as PortRates
    if (rates.some((each) => each > 0)) ports[name] = rates
    if (are[4] > 0) drops[name] = totals.drops
  }
  return { ports, drops }
}
