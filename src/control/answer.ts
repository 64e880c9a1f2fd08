/** The form of what the API answers: one zod schema for each row, in the names of rows.ts. */
import * as z from 'zod'

const count = z.number().min(0)
const name = z.string()

export const NetworkAnswer = z.strictObject({
  name,
  mode: z.enum(['host-only', 'internal']),
  subnet: z.string().nullable(),
  gateway: z.string().nullable(),
  mtu: z.int(),
  isolated: z.boolean(),
  worker: z.int(),
  ports: z.int(),
  macs: z.int(),
  macCapacity: z.int(),
  host: z.strictObject({ ifname: z.string(), address: z.string().nullable() }).nullable(),
  origin: z.enum(['file', 'runtime']),
})

export const PortAnswer = z.strictObject({
  name,
  network: name,
  type: z.enum(['tap', 'tun', 'qemu-tap', 'memory', 'host']),
  ifname: z.string(),
  netns: z.string(),
  mac: z.string().nullable(),
  address: z.string().nullable(),
  mtu: z.int(),
  queues: z.int(),
  state: z.enum(['up', 'waiting', 'down']),
  reason: z.string().describe('why the port is not up, empty when it is'),
  isolated: z.boolean(),
  guard: z.boolean(),
  offloads: z.array(z.string()),
  origin: z.enum(['file', 'runtime', 'run']),
  rxFrames: count,
  rxBytes: count,
  txFrames: count,
  txBytes: count,
  unlearned: count,
  drops: z.record(z.string(), count).describe('frames dropped by reason'),
})

export const MacAnswer = z.strictObject({
  mac: z.string(),
  network: name,
  port: name,
  kind: z.enum(['dynamic', 'static', 'host', 'gateway']),
  ageSeconds: count,
})

export const StatusAnswer = z.strictObject({
  version: z.string(),
  node: z.string(),
  pid: z.int(),
  uptimeSeconds: count,
  configuration: z.string().describe('path of the file, empty when the default configuration runs'),
  socket: z.string(),
  http: z.string().nullable(),
  state: z.string(),
  networks: z.int(),
  ports: z.int(),
  portsUp: z.int(),
  memoryBytes: count,
  workers: z.array(
    z.strictObject({
      worker: z.int(),
      busySeconds: count,
      bursts: count,
      frames: count,
      burstHistogram: z.array(count).describe('bursts of at most 1, 2, 4, 8, 16, 32, 64 frames'),
    }),
  ),
})

export const ErrorAnswer = z.strictObject({
  error: z.string().describe('one line: what, why, what to do'),
  lines: z.array(z.string()).optional().describe('every mistake when there are several'),
})

export const DoneAnswer = z.strictObject({ done: z.literal(true) })
export const FlushAnswer = z.strictObject({ flushed: z.int() })
