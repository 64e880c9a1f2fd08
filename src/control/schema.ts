/**
 * The form of everything a user may write, in the file or through the API: one zod schema each, which validates, types
 * and, as JSON Schema, documents. Every message says what may stand there; `problem.ts` adds where and what stood there.
 *
 * A key whose feature does not exist yet is part of the form and is refused afterwards, in `pending.ts`.
 */
import * as z from 'zod'
import * as address from './address.ts'
import { FlowLog } from './flowlog/schema.ts'
import { choice, flag, integer, mapping, off, text } from './form.ts'
import * as quantity from './quantity.ts'

const isFour = (value: string) => address.ipv4(value) !== null
const isCidr = (value: string) =>
  address.cidr(value) !== null || (value.includes('/') && address.isSix(value))
const isAddress = (value: string) => isFour(value) || address.isSix(value)

const ip = text('an IPv4 address such as 10.0.2.2', isAddress)
const cidr = text('an address with its prefix such as 10.0.2.15/24', isCidr)
export const mac = text(
  'a unicast MAC address such as "52:54:00:12:34:56"',
  address.isUnicast,
  address.macPattern,
)
const bounded = (low: number, high: number) => (value: string) => {
  const ms = quantity.duration(value)
  return ms !== null && ms >= low && ms <= high
}
const anyDuration = text(
  'a duration such as 300s, 1h or 5d',
  bounded(1, 2 ** 31 * 1000),
  quantity.durationPattern,
)
/** The dataplane's clock counts milliseconds in an int32 that wraps after 24.8 days; half of that stays unambiguous. */
const ageing = text('a duration from 100ms to 12d', bounded(100, 12 * 86_400_000), quantity.durationPattern)
const rate = text('a rate such as 1000/s', (value) => quantity.rate(value) !== null, quantity.ratePattern)
const absolute = (what: string) => text(what, (value) => value.startsWith('/') && !/[\0\n]/.test(value))
/** sun_path of unix(7) holds 108 bytes, the last one zero. */
export const SocketPath = text(
  'an absolute path of at most 107 bytes',
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  (value) => /^\/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]$/.test(value) && Buffer.byteLength(value) <= 107,
)
/** dev_valid_name() of Linux, without `%`, which TUNSETIFF would expand. */
const ifname = text(
  'an interface name of 1 to 15 characters without space, "/", ":" or "%"',
  (value) =>
    /^[^\s/:%\0]{1,15}$/.test(value) && Buffer.byteLength(value) <= 15 && value !== '.' && value !== '..',
)
const netns = text(
  'the name of a network namespace, its path, or pid:N',
  (value) =>
    (/^pid:/.test(value) ? /^pid:[1-9]\d{0,9}$/.test(value) : /^(\/[^\0]+|[^\s/\0:]+)$/.test(value)) &&
    !/^\.\.?$/.test(value),
)
const hostname =
  /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/
const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/
const reserved = ['host', 'none', 'container']
export const Name = text(
  'a name of 1 to 63 letters, digits, "_", "." and "-" that starts with a letter or digit and is not host, none or container',
  (value) => !reserved.includes(value),
  namePattern,
)
/** 68 is the least an IPv4 module may offer (RFC 791), 65521 the largest the kernel sets on a TAP (65535 less the Ethernet header). */
const mtu = integer(68, 65521)

const Dhcp = off(
  mapping({
    range: text(
      'two addresses such as 10.0.2.15-10.0.2.254',
      (value) => quantity.addressRange(value) !== null,
    ).optional(),
    lease: anyDuration.optional(),
    static: z.record(mac, ip, 'a mapping of MAC to address').optional(),
  }),
  'off, or a mapping with the keys range, lease, static',
)

const resolver = text('system or an IPv4 address with an optional port', (value) => {
  const [host, port, rest] = value.split(':')
  return (
    value === 'system' ||
    (rest === undefined && isFour(host) && (port === undefined || quantity.portRange(port) !== null))
  )
})
const Dns = off(
  mapping({
    forward: z.array(resolver, 'a list of resolvers such as [system]').optional(),
    names: z
      .record(
        text('a host name', (value) => value.length <= 253, hostname),
        ip,
        'a mapping of host name to address',
      )
      .optional(),
  }),
  'off, or a mapping with the keys forward, names',
)

const Uplink = z.union(
  [
    z.enum(['host', 'none']),
    mapping({ host: mapping({ link: cidr.optional(), nat: flag.optional() }) }),
    mapping({
      nic: ifname,
      address: z
        .union([z.literal('dhcp'), cidr], 'dhcp, or an address with its prefix such as 192.0.2.10/24')
        .optional(),
      gateway: ip.optional(),
    }),
  ],
  'host, none, { host: { link, nat } } or { nic, address, gateway }',
)

const behaviours = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const
const Nat = mapping({
  mapping: choice(behaviours).optional(),
  filtering: choice(behaviours).optional(),
  ports: text(
    'a range of ports such as 1024-65535',
    (value) => quantity.portRange(value) !== null,
  ).optional(),
  hairpin: flag.optional(),
})

export const Publish = text(
  'PROTO:HOSTIP:PORT-GUESTIP:PORT such as tcp:127.0.0.1:8080-10.0.2.15:80',
  (value) => quantity.publish(value) !== null,
)

export const MODES = ['nat', 'host-only', 'internal', 'bridged', 'routed'] as const
const networkShape = {
  mode: choice(MODES),
  subnet: text('a subnet such as 10.0.2.0/24', isCidr).optional(),
  gateway: ip.optional(),
  mtu: mtu.optional(),
  domain: text('a domain such as default.internal', (value) => value.length <= 253, hostname).optional(),
  dhcp: Dhcp.optional(),
  dns: Dns.optional(),
  isolated: flag.optional(),
  uplink: Uplink.optional(),
  nat: Nat.optional(),
  hostAccess: flag.optional(),
  host: mapping({ ifname: ifname.optional(), address: cidr.optional() }).optional(),
  macTable: mapping({ ageing: ageing.optional(), capacity: integer(16, 1_048_576).optional() }).optional(),
  filterBridged: flag.optional(),
  publish: z.array(Publish, 'a list of published ports').optional(),
}
export const Network = mapping(networkShape)
export type NetworkInput = z.infer<typeof Network>

const common = {
  network: Name,
  mac: mac.optional(),
  address: z
    .union([z.literal('dhcp'), cidr], 'dhcp, or an address with its prefix such as 10.0.2.15/24')
    .optional(),
  mtu: mtu.optional(),
  isolated: flag.optional(),
  guard: flag.optional(),
  macLimit: integer(1, 1_048_576).optional(),
  floodLimit: rate.optional(),
}
/** MAX_TAP_QUEUES of the kernel is 256; more than a queue for each of 16 workers gains nothing. */
const queues = integer(1, 16)
const several = { queues: queues.optional(), offload: flag.optional() }
const device = { ...common, ifname: ifname.optional(), netns: netns.optional(), ...several }
const role = choice(['server', 'client'])
  .describe('server (unless given): the switch makes the socket; client: it connects to it, again and again')
  .optional()
const mode = text(
  'a quoted octal mode such as "0660"',
  (value) => quantity.mode(value) !== null,
  quantity.modePattern,
).optional()
const owner = z.union(
  [
    text('a user name', (value) => /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/.test(value)),
    z.int('a uid').min(0, 'a uid'),
  ],
  'a user name or uid',
)
/** Keys of a port that is a socket. */
const socket = {
  ...common,
  path: SocketPath.describe(
    "an absolute path of at most 107 bytes; NAME.sock in the folder of the switch's own socket unless given",
  ).optional(),
  mode,
  owner: owner.describe('the user name or uid that the socket is given to').optional(),
}

/** The message leaves `memory` out: such a port exists inside a program only. */
export const portMistake = {
  error: (issue: { code?: string }) =>
    issue.code === 'invalid_type'
      ? 'a mapping with the keys network, type and more'
      : 'tap, tun, qemu-tap, nic, vhost-user, stream or dgram',
}
export const Port = z.discriminatedUnion(
  'type',
  [
    mapping({ type: z.literal('tap'), ...device }),
    mapping({ type: z.literal('tun'), ...device }),
    mapping({ type: z.literal('qemu-tap'), ...device, owner: owner.optional() }),
    mapping({
      type: z.literal('nic'),
      ...common,
      device: ifname,
      macTranslation: flag.optional(),
      queues: queues.optional(),
    }),
    mapping({ type: z.literal('vhost-user'), ...socket, ...several, role }),
    mapping({ type: z.literal('stream'), ...socket, role }),
    mapping({
      type: z.literal('dgram'),
      ...socket,
      peer: SocketPath.describe(
        "the other end's socket; NAME-qemu.sock in the folder of the switch's own socket unless given",
      ).optional(),
    }),
    mapping({ type: z.literal('memory'), ...common }),
  ],
  portMistake,
)
export type PortInput = z.infer<typeof Port>

/** Timeouts of nf_conntrack by their names without the nf_conntrack_ prefix and the _timeout suffix. */
const timeoutNames = [
  'generic icmp udp udpStream gre greStream tcpSynSent tcpSynRecv tcpEstablished tcpFinWait tcpCloseWait tcpLastAck tcpTimeWait',
  'tcpClose tcpMaxRetrans tcpUnacknowledged sctpClosed sctpCookieWait sctpCookieEchoed sctpEstablished sctpShutdownSent',
  'sctpShutdownRecd sctpShutdownAckSent sctpHeartbeatSent',
]
  .join(' ')
  .split(' ')

export const File = mapping({
  workers: integer(1, 16).optional(),
  socket: SocketPath.optional(),
  http: z
    .union(
      [
        z.literal('off'),
        text('an address such as 127.0.0.1:9477, or off', (value) => quantity.listen(value) !== null),
      ],
      'an address such as 127.0.0.1:9477, or off',
    )
    .optional(),
  state: absolute('an absolute path').optional(),
  conntrack: mapping({
    capacity: integer(1024, 16_777_216).optional(),
    timeouts: mapping(
      Object.fromEntries(timeoutNames.map((name) => [name, anyDuration.optional()])),
    ).optional(),
  }).optional(),
  flowLog: FlowLog.optional(),
  networks: z.record(Name, Network, 'a mapping of names to networks').optional(),
  ports: z.record(Name, Port, 'a mapping of names to ports').optional(),
  rules: text('the path of a file in iptables-save format', (value) => value !== '').optional(),
  sets: text('the path of a file in ipset-save format', (value) => value !== '').optional(),
})
export type FileInput = z.infer<typeof File>
