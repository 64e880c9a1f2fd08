/**
 * Prometheus metrics. Values are read from the arena's counters when somebody scrapes; the dataplane runs on. Our families are written
 * as text at once, for there may be tens of thousands of samples; prom-client knows what a process and Node have to tell.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Registry } from 'prom-client'
import type { Audience } from '../live/audience.ts'
import type { Switch } from '../switch.ts'
import { Exposition } from './exposition.ts'
import { families } from './families.ts'
import { type Figures, gather } from './figures.ts'

/** Event loop delay is sampled this often: prom-client's 10 ms would wake an idle daemon a hundred times a second. */
const LOOP_SAMPLE_MS = 500
/** Bytes after which others have the thread: some two milliseconds. */
const SHARE = 500_000

/** All families of our own. */
export async function expose(figures: Figures): Promise<Exposition> {
  const exposition = new Exposition()
  let turned = 0
  for (const family of families) {
    exposition.add(family, figures)
    if (exposition.length - turned < SHARE) continue
    turned = exposition.length
    await turn()
  }
  return exposition
}

/** Everything that /metrics shows. */
export class Metrics {
  readonly contentType: string
  private readonly registry: Registry
  private readonly fabric: Switch
  private readonly audience: Audience
  private running: Promise<Buffer> | null = null

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
  scrape(): Promise<Buffer> {
    this.running ??= this.make().finally(() => {
      this.running = null
    })
    return this.running
  }

  private async make(): Promise<Buffer> {
    const own = await expose(await gather(this.fabric, this.audience.count))
    return own.end(await this.registry.metrics())
  }
}
