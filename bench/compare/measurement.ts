/** What a measurement is: work done over a joint on a ground, and the figures it yields. */
import type { Ground } from './ground.ts'
import type { Sample } from './metric.ts'
import type { Joint } from './peer.ts'

export interface Measurement<J extends Joint = Joint> {
  /** what `--measure` calls it */
  name: string
  /** programs it cannot do without, and the Debian package of each */
  needs: Record<string, string>
  /** Measures for about `seconds`. */
  take(ground: Ground, joint: J, seconds: number): Promise<Sample>
}
