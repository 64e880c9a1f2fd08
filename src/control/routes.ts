/**
 * The API as a table: what is served, by which schema it is read and answered, and what it does. `api.ts` serves it,
 * `openapi.ts` describes it.
 */
import * as z from 'zod'
import * as added from './added.ts'
import * as answer from './answer.ts'
import { attachment } from './attachment.ts'
import { frames } from './capture/frames.ts'
import { collection } from './collection.ts'
import { explained } from './explain.ts'
import { firewall } from './firewall.ts'
import { memoryPattern } from './quantity.ts'
import { Absent } from './refusal.ts'
import { done, type Route, type Service } from './route.ts'
import * as schema from './schema.ts'
import { traffic } from './traffic.ts'
import { version } from './version.ts'
import { watch } from './watch.ts'

/** The same schemas as the file's, with the name beside the other keys. */
const NewNetwork = schema.Network.extend({ name: schema.Name })
const identity = {
  name: schema.Name,
  origin: z
    .enum(['runtime', 'run'], 'runtime or run')
    .optional()
    .describe('run: lives as long as the process of its netns'),
}
const [tap, tun, qemu, ...others] = schema.Port.options
const NewPort = z.discriminatedUnion(
  'type',
  [
    tap.extend(identity),
    tun.extend(identity),
    qemu.extend(identity),
    ...others.map((option) => option.extend(identity)),
  ],
  schema.portMistake,
)
const NewMac = added.Mac
const Flush = z.strictObject({ network: schema.Name.optional(), port: z.string().optional() })

const Guest = z.strictObject({
  memory: z
    .string()
    .regex(memoryPattern, 'a size such as 1G or 512M')
    .optional()
    .describe("the guest's memory, 1G unless given; it stands in the words for a vhost-user port"),
})

function status({ fabric, registry }: Service): z.infer<typeof answer.StatusAnswer> {
  const { socket, http, state } = registry.configuration
  const ports = fabric.ports()
  return {
    version,
    node: process.version,
    pid: process.pid,
    uptimeSeconds: Math.round(process.uptime()),
    configuration: registry.path,
    socket,
    http: http === null ? null : `${http.host.includes(':') ? `[${http.host}]` : http.host}:${http.port}`,
    state,
    networks: fabric.networks().length,
    ports: ports.length,
    portsUp: ports.filter((port) => port.state === 'up').length,
    memoryBytes: process.memoryUsage.rss(),
    workers: fabric.workers(),
  }
}

const list = (item: z.ZodType) => z.array(item)

const networks: Route[] = [
  {
    method: 'GET',
    path: '/v1/networks',
    summary: 'Networks',
    answer: list(answer.NetworkAnswer),
    handle: ({ fabric }) => fabric.networks(),
  },
  {
    method: 'POST',
    path: '/v1/networks',
    summary: 'Add a network',
    body: NewNetwork,
    answer: answer.NetworkAnswer,
    handle: ({ registry }, { body }) => {
      const { name, ...input } = body as z.infer<typeof NewNetwork>
      return registry.addNetwork(name, input)
    },
  },
  {
    method: 'DELETE',
    path: '/v1/networks/{name}',
    summary: 'Remove a network that was added at run time',
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params }) => done(registry.removeNetwork(params.name)),
  },
]

const ports: Route[] = [
  {
    method: 'GET',
    path: '/v1/ports',
    summary: 'Ports, the host interfaces of networks included, with their counters',
    answer: list(answer.PortAnswer),
    handle: ({ fabric }) => fabric.ports(),
  },
  {
    method: 'POST',
    path: '/v1/ports',
    summary: 'Add a port',
    body: NewPort,
    answer: answer.PortAnswer,
    handle: ({ registry }, { body }) => {
      const { name, origin, ...input } = body as z.infer<typeof NewPort>
      return registry.addPort(name, input as schema.PortInput, origin ?? 'runtime')
    },
  },
  {
    method: 'GET',
    path: '/v1/ports/{name}/attachment',
    summary: 'What QEMU and libvirt have to be told for a guest to be plugged in',
    query: Guest,
    answer: answer.AttachmentAnswer,
    handle: ({ registry }, { params, query }) => {
      const { ports: present, networks: all } = registry.configuration
      const port = present.get(params.name)
      const network = all.get(port?.network ?? '')
      if (port === undefined || network === undefined)
        throw new Absent(`port ${params.name}`, 'there is none of that name', 'see bridgeport port ls')
      return attachment(port, network, query.memory)
    },
  },
  {
    method: 'DELETE',
    path: '/v1/ports/{name}',
    summary: 'Remove a port that was added at run time',
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params }) => done(registry.removePort(params.name)),
  },
]

const macs: Route[] = [
  {
    method: 'GET',
    path: '/v1/macs',
    summary: 'MAC addresses that the switch knows',
    answer: list(answer.MacAnswer),
    handle: ({ fabric }) => fabric.macs(),
  },
  {
    method: 'POST',
    path: '/v1/macs',
    summary: 'Pin a MAC address to a port',
    body: NewMac,
    answer: answer.MacAnswer,
    handle: ({ registry }, { body }) => {
      const { network, mac, port } = body as z.infer<typeof NewMac>
      return registry.addMac(network, mac, port)
    },
  },
  {
    method: 'DELETE',
    path: '/v1/macs/{network}/{mac}',
    summary: 'Remove a pinned MAC address',
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params }) => done(registry.removeMac(params.network, params.mac)),
  },
  {
    method: 'DELETE',
    path: '/v1/macs',
    summary: 'Forget learned MAC addresses, of one network or one port if named',
    query: Flush,
    answer: answer.FlushAnswer,
    handle: async ({ fabric }, { query }) => ({ flushed: await fabric.flushMacs(query.network, query.port) }),
  },
]

const daemon: Route[] = [
  {
    method: 'GET',
    path: '/v1/status',
    summary: 'The daemon and its workers',
    answer: answer.StatusAnswer,
    handle: status,
  },
  {
    method: 'POST',
    path: '/v1/reload',
    summary: 'Read the configuration file again and apply the difference',
    answer: answer.DoneAnswer,
    handle: ({ reload }) => done(reload()),
  },
  {
    method: 'POST',
    path: '/v1/down',
    summary: 'End the daemon',
    answer: answer.DoneAnswer,
    handle: ({ stop }) => {
      stop()
      return { done: true }
    },
  },
]

const leases: Route[] = [
  {
    method: 'GET',
    path: '/v1/leases',
    summary: 'Addresses that guests have by DHCP',
    answer: list(answer.LeaseAnswer),
    handle: ({ fabric }) => fabric.leases(),
  },
  {
    method: 'DELETE',
    path: '/v1/leases/{network}/{address}',
    summary: 'End a lease; the guest keeps the address until it renews',
    answer: answer.DoneAnswer,
    handle: ({ fabric }, { params }) => {
      fabric.removeLease(params.network, params.address)
      return { done: true }
    },
  },
]

export const routes: readonly Route[] = [
  ...daemon,
  ...networks,
  ...ports,
  ...macs,
  ...leases,
  ...traffic,
  ...firewall,
  ...collection,
  ...explained,
  ...watch,
  ...frames,
]
