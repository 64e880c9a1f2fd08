/**
 * A switch inside a program.
 *
 * ```ts
 * import { configure, Switch } from 'bridgeport'
 * const fabric = await Switch.start(configure({
 *   networks: { lab: { mode: 'internal' } },
 *   ports: { a: { network: 'lab', type: 'memory' }, b: { network: 'lab', type: 'memory' } },
 * }), console)
 * fabric.memory('a').send(frame)
 * ```
 */
import { randomUUID } from 'node:crypto'
import type { Configuration } from './control/configuration.ts'
import { check, entries, validate } from './control/file.ts'
import type { FileInput } from './control/schema.ts'
import { EMBEDDED } from './control/switch.ts'
import { read } from './control/written.ts'

export type { Finding } from './chain/lint.ts'
export type {
  Cidr,
  Configuration,
  NetworkConfiguration,
  PortConfiguration,
} from './control/configuration.ts'
export type { RuleRow } from './control/counts.ts'
export type { EventRow } from './control/events.ts'
export type { FlowRow } from './control/flows.ts'
export type { LeaseRow } from './control/lease.ts'
export type { Restoring } from './control/merge.ts'
export type { NeighbourRow } from './control/neighbour.ts'
export { Refusal } from './control/refusal.ts'
export type {
  GuestRow,
  MacRow,
  NetworkRow,
  PortRow,
  PublishRow,
  SocketRow,
  UplinkRow,
  WorkerRow,
} from './control/rows.ts'
export type { FileInput, NetworkInput, PortInput } from './control/schema.ts'
export { type Log, Switch } from './control/switch.ts'
export { version } from './control/version.ts'
export type { WhyRow } from './control/why.ts'
export type { MemoryPort } from './port/embed.ts'

/** Resolves what bridgeport.yaml would hold, memory ports included. Throws a Refusal with a line for each mistake. */
export function configure(input: FileInput): Configuration {
  const checked = validate(input)
  const configuration = check({ settings: checked, ...entries(checked), embedded: true })
  // The socket names the switch to its interfaces: this one has no daemon's socket and must not take over a daemon's leftovers.
  const [rules, sets] = [read(checked.rules, ''), read(checked.sets, '')]
  configuration.socket = `${EMBEDDED}${process.pid}:${randomUUID()}`
  return { ...configuration, rules, sets }
}
