/**
 * Prometheus metrics. Values are read from the arena's counters when somebody scrapes; the dataplane runs on. Our families are written
 * as text at once, for there may be tens of thousands of samples; prom-client knows what a process and Node have to tell.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Registry } from 'prom-client'
import type { Audience } from '../live/audience.ts'
import type { Switch } from '../switch.ts'
import type { FlowTally } from './census.ts'
import { Exposition, type Page } from './exposition.ts'
import { families } from './families.ts'
import { type Figures, gather } from './figures.ts'
import { Kept } from './kept.ts'

/** Event loop delay is sampled this often: prom-client's 10 ms would wake an idle daemon a hundred times a second. */
const LOOP_SAMPLE_MS = 500
/** The text is kept for the next scrape so long: who comes less often finds gaps in Prometheus' graphs anyway. */
const KEEP_MS = 5 * 60_000
/** Bytes after which others have the thread: some two milliseconds. */
const SHARE = 500_000

/** The text of all families of our own, and of `rest` behind them. */
export async function expose(exposition: Exposition, figures: Figures, rest: string): Promise<Page> {
  let turned = 0
  exposition.begin()
  for (const family of families) {
    exposition.add(family, figures)
    if (exposition.written - turned < SHARE) continue
    turned = exposition.written
    await turn()
  }
  return exposition.end(rest)
}

/** Everything that /metrics shows. */
export class Metrics {
  readonly contentType: string
  private readonly registry: Registry
  private readonly fabric: Switch
  private readonly audience: Audience
  private readonly tallies = new Kept<FlowTally[]>()
  private readonly rest = new Kept<string>()
  private exposition = new Exposition()
  private readonly forget = setTimeout(() => {
    this.exposition = new Exposition()
  }, KEEP_MS).unref()
  private running: Promise<Page> | null = null

  private constructor(registry: Registry, fabric: Switch, audience: Audience) {
    this.registry = registry
    this.fabric = fabric
    this.audience = audience
    this.contentType = registry.contentType
  }

  static async start(fabric: Switch, audience: Audience): Promise<Metrics> {
    const { collectDefaultMetrics, Registry } = (await import('prom-client')).default
    const registry = new Registry()
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS })
    // promtool refuses gauges that end in _total.
    for (const name of ['handles', 'requests', 'resources'])
      registry.removeSingleMetric(`nodejs_active_${name}_total`)
    return new Metrics(registry, fabric, audience)
  }

  /** The exposition text; who asks while it is made for another gets the same. */
  scrape(): Promise<Page> {
    this.running ??= this.make().finally(() => {
      this.running = null
    })
    return this.running
  }

  private async make(): Promise<Page> {
    const figures = await gather(this.fabric, this.tallies, this.audience.count)
    const rest = await this.rest.take(() => this.registry.metrics())
    const { exposition } = this
    // Should writing fail, nothing of it is used again.
    this.exposition = new Exposition()
    const page = await expose(exposition, figures, rest)
    this.exposition = exposition
    this.forget.refresh()
    return page
  }
}
