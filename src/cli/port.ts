/** `bridgeport port`: what is there, one more, one less, and what a guest is told to be plugged in. */
import type { Command } from 'commander'
import type { PortRow } from '../control/rows.ts'
import { call, socketOf } from './client.ts'
import { given, number, withSocket } from './option.ts'
import * as plug from './plug.ts'
import { list } from './table.ts'

function dropped(row: PortRow): number {
  return Object.values(row.drops).reduce((sum, count) => sum + count, 0)
}

/** Whether a port is up, why not, and why who was behind it had to go. */
function state({ state: is, reason, socket }: PortRow): string {
  if (reason === '') return is
  return socket?.fault
    ? `${is} (${reason}; the last one was disconnected: ${socket.fault})`
    : `${is} (${reason})`
}

const columns = [
  { title: 'NAME', text: (row: PortRow) => row.name },
  { title: 'NETWORK', text: (row: PortRow) => row.network },
  { title: 'TYPE', text: (row: PortRow) => row.type },
  { title: 'INTERFACE', text: (row: PortRow) => row.socket?.path ?? row.ifname },
  { title: 'NETNS', text: (row: PortRow) => row.netns },
  { title: 'ADDRESS', text: (row: PortRow) => row.address },
  { title: 'MAC', text: (row: PortRow) => row.mac },
  { title: 'RX', text: (row: PortRow) => row.rxFrames },
  { title: 'TX', text: (row: PortRow) => row.txFrames },
  { title: 'DROPPED', text: dropped },
  { title: 'ORIGIN', text: (row: PortRow) => row.origin },
  { title: 'STATE', text: state },
]

interface AddOptions {
  network: string
  type: string
  socket?: string
  format?: plug.Format
  memory?: string
  [key: string]: unknown
}

/** The options as the API's body. `--no-offload` has a default, which is the daemon's as well: it goes only when given. */
function body(
  name: string,
  { socket: _, format: _format, memory: _memory, offload, ...options }: AddOptions,
): object {
  return given({ name, ...options, ...(offload === false ? { offload } : {}) })
}

export function ports(program: Command): void {
  const noun = program.command('port').description('ports of the switch')
  withSocket(noun.command('ls').description('list ports'))
    .option('--json', 'an array of objects')
    .action(async (options: { json?: boolean }, command: Command) => {
      list(await call<PortRow[]>(socketOf(command.optsWithGlobals()), 'GET', '/v1/ports'), columns, options)
    })
  withSocket(noun.command('add <name>').description('add a port until it is removed'))
    .requiredOption('--network <name>', 'network that it is plugged into')
    .requiredOption('--type <type>', 'tap, tun, qemu-tap, nic, vhost-user, stream or dgram')
    .option('--ifname <name>', 'interface name (eth0 in a namespace, else NAME)')
    .option('--netns <name|path|pid:N>', 'network namespace of the interface')
    .option('--address <cidr|dhcp>', 'address of the interface; dhcp: one that the network leases')
    .option('--mac <mac>', 'MAC address of the interface')
    .option('--mtu <bytes>', "largest packet (the network's)", number)
    .option('--queues <count>', 'queues of the device (1)', number)
    .option('--isolated', 'reaches the gateway and nothing else')
    .option('--guard', 'may send only with its own MAC and address')
    .option('--mac-limit <count>', 'MAC addresses that it may use', number)
    .option('--flood-limit <rate>', 'broadcast, multicast and unknown, such as 1000/s')
    .option('--owner <user>', 'who may open a qemu-tap, or has the socket')
    .option('--no-offload', 'whole checksums and small frames only')
    .option('--path <path>', "socket of vhost-user, stream and dgram (NAME.sock beside the switch's)")
    .option('--peer <path>', "the other end's socket of dgram (NAME-qemu.sock beside the switch's)")
    .option('--role <role>', 'server, or client: the guest makes the socket (server)')
    .option('--mode <mode>', 'mode of the socket (0660)')
    .option('--device <name>', 'card of a nic')
    .option('--mac-translation', "send with the card's MAC")
    .addOption(plug.format())
    .addOption(plug.memory())
    .action(async (name: string, options: AddOptions, command: Command) => {
      const socket = socketOf(command.optsWithGlobals())
      const isForGuests = plug.isForGuests(options.type, options)
      await call(socket, 'POST', '/v1/ports', body(name, options))
      if (isForGuests) await plug.show(socket, name, options)
    })
  withSocket(
    noun.command('args <name>').description('what QEMU or libvirt is told for a guest to be plugged in'),
  )
    .addOption(plug.format())
    .addOption(plug.memory())
    .option('--json', 'an object')
    .action(async (name: string, options: plug.Options, command: Command) => {
      await plug.show(socketOf(command.optsWithGlobals()), name, options)
    })
  withSocket(noun.command('rm <name>').description('remove a port that was added here')).action(
    async (name: string, _options: object, command: Command) => {
      await call(socketOf(command.optsWithGlobals()), 'DELETE', `/v1/ports/${encodeURIComponent(name)}`)
    },
  )
}
