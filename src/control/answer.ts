/** The form of what the API answers: one zod schema for each row, in the names of rows.ts. */
import * as z from 'zod'
import { SET_TYPES } from '../chain/creation.ts'
import { TABLES } from '../chain/rule.ts'

const count = z.number().min(0)
const name = z.string()

export const NetworkAnswer = z.strictObject({
  name,
  mode: z.enum(['nat', 'host-only', 'internal', 'bridged', 'routed']),
  subnet: z.string().nullable(),
  gateway: z.string().nullable(),
  mtu: z.int(),
  isolated: z.boolean(),
  worker: z.int(),
  ports: z.int(),
  macs: z.int(),
  macCapacity: z.int(),
  domain: z.string().nullable().describe('null where nobody answers for names'),
  dhcp: z.string().nullable().describe('the addresses that are handed out'),
  dns: z.string().nullable().describe('who answers for names'),
  uplink: z
    .strictObject({
      type: z.enum(['host', 'nic']),
      ifname: z.string(),
      address: z.string().nullable(),
      router: z.string().nullable(),
      state: z.enum(['up', 'waiting', 'down']),
      reason: z.string().describe('why it is not up, empty when it is'),
    })
    .nullable(),
  host: z.strictObject({ ifname: z.string(), address: z.string().nullable() }).nullable(),
  origin: z.enum(['file', 'runtime']),
})

const SocketAnswer = z.strictObject({
  path: z.string(),
  peer: z.string().nullable().describe("of dgram: the other end's"),
  role: z.enum(['server', 'client']),
  connected: z.boolean().nullable().describe('null for dgram, where nobody can tell'),
  guest: z
    .strictObject({
      queues: z.int().describe('pairs of rings that run'),
      features: z.array(z.string()).describe("virtio's names of what was agreed on"),
      mtu: z.int().describe('what the driver was told, 0 if nothing'),
    })
    .nullable()
    .describe('of vhost-user: who is connected'),
  faults: z.record(z.string(), count).describe('how often somebody was disconnected for what he did'),
  fault: z.string().describe('why somebody was disconnected last, empty if nobody was'),
})

export const PortAnswer = z.strictObject({
  name,
  network: name,
  type: z.enum(['tap', 'tun', 'qemu-tap', 'nic', 'vhost-user', 'stream', 'dgram', 'memory', 'host']),
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
  socket: SocketAnswer.nullable().describe('null for a port that is none'),
  origin: z.enum(['file', 'runtime', 'run']),
  rxFrames: count,
  rxBytes: count,
  txFrames: count,
  txBytes: count,
  unlearned: count,
  drops: z.record(z.string(), count).describe('frames dropped by reason'),
})

export const AttachmentAnswer = z.strictObject({
  qemu: z.array(z.string()).describe('arguments of qemu-system-…, one word each'),
  libvirt: z.string().describe('XML for a domain: an interface, or arguments that libvirt hands on to QEMU'),
})

export const MacAnswer = z.strictObject({
  mac: z.string(),
  network: name,
  port: name,
  kind: z.enum(['dynamic', 'static', 'host', 'gateway']),
  ageSeconds: count,
})

export const LeaseAnswer = z.strictObject({
  address: z.string(),
  mac: z.string(),
  network: name,
  port: z
    .string()
    .nullable()
    .describe('the port that the guest is behind, null until it renews after a restart'),
  hostname: z.string().nullable(),
  kind: z
    .enum(['dynamic', 'static', 'port'])
    .describe('of the range, pinned to the MAC, or of a port that the switch configures'),
  client: z.string().nullable().describe('client identifier in hexadecimal'),
  expires: z.iso.datetime().nullable().describe('null: lasts as long as the port'),
})

export const NeighbourAnswer = z.strictObject({
  address: z.string(),
  mac: z.string().nullable().describe('null while nobody has answered'),
  network: z.string().describe('a network, or NAME-uplink for who is outside'),
  port: z.string().nullable().describe('null while it is not known'),
  state: z.enum(['incomplete', 'reachable', 'stale', 'probe', 'permanent']),
  confirmedSeconds: count.describe('since its last answer'),
  usedSeconds: count.describe('since a packet was last sent to it'),
})

const Way = z.strictObject({
  source: z.string(),
  destination: z.string(),
  sourcePort: z.int().optional(),
  destinationPort: z.int().optional(),
  type: z.int().optional().describe('of ICMP, with code and id'),
  code: z.int().optional(),
  id: z.int().optional(),
  packets: count,
  bytes: count,
})

export const FlowAnswer = z.strictObject({
  network: name.describe('where the first packet came in'),
  egress: z.string().describe('the network that it left by'),
  protocol: z.string().describe('tcp, udp, icmp, gre, sctp or unknown'),
  number: z.int(),
  state: z.string().nullable().describe('of TCP'),
  timeoutSeconds: z.int(),
  original: Way,
  reply: Way,
  replied: z.boolean(),
  assured: z.boolean(),
  mark: z.int(),
  zone: z.int(),
})

export const PublishAnswer = z.strictObject({
  network: name,
  publish: z.string().describe('PROTO:HOSTIP:PORT-GUESTIP:PORT'),
  protocol: z.enum(['tcp', 'udp']),
  host: z.string().describe('empty: every address of the host, or of the card'),
  hostPorts: z.string(),
  guest: z.string(),
  guestPorts: z.string(),
  state: z.enum(['up', 'waiting']),
  reason: z.string().describe('why nobody is led inside, empty when the mapping is up'),
  origin: z.enum(['file', 'runtime', 'run']),
})

export const RuleAnswer = z.strictObject({
  table: z.enum(TABLES),
  chain: z.string(),
  number: z.int().describe("from 1 on in its chain; 0 is the chain's policy"),
  rule: z.string().describe('as iptables-save prints it'),
  packets: count,
  bytes: count,
  line: z.int().describe('of the text that it was read from, 0 if it stands in none'),
})

export const FindingAnswer = z.strictObject({ line: z.int(), text: z.string() })

export const TextAnswer = z.strictObject({ text: z.string() })

export const SetAnswer = z.strictObject({
  name,
  type: z.enum(SET_TYPES),
  maxelem: z.int().describe('the most entries; of list:set its size'),
  timeout: z.int().nullable().describe('seconds after which entries go, 0 never; null: they cannot'),
  netmask: z.int().nullable().describe('bits of an address that count, null: all'),
  range: z.string().nullable().describe('of bitmap:port'),
  refused: count.describe('entries that found no room'),
  count: z.int().describe('entries that it has, those that a limit leaves out included'),
  entries: z.array(
    z.strictObject({ element: z.string(), timeout: z.int().nullable(), nomatch: z.boolean() }),
  ),
})

export const MemberAnswer = z.strictObject({ member: z.boolean() })

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
      sleeps: count,
      delaySeconds: count.describe('time away from its queues before a burst was found, over all bursts'),
      delayHistogram: z.array(count).describe('bursts by that: at most 1, 2, 5, 10 µs … 1 s, and more'),
      framesInUse: z.int(),
      frameCapacity: z.int(),
      held: z.int().describe('packets that wait until their neighbour is known'),
      fragmented: z.int().describe('packets of which fragments are missing'),
    }),
  ),
})

export const ErrorAnswer = z.strictObject({
  error: z.string().describe('one line: what, why, what to do'),
  lines: z.array(z.string()).optional().describe('every mistake when there are several'),
})

export const DoneAnswer = z.strictObject({ done: z.literal(true) })
export const FlushAnswer = z.strictObject({ flushed: z.int() })
