/** The words on QEMU's command line that give a guest its card and what the card hangs on. */

/** Whether QEMU listens on a socket or connects to it; the switch does the other. */
export type Role = 'server' | 'client'

/** What the card hangs on: QEMU's -netdev. */
export type Plug =
  | { type: 'tap'; ifname: string }
  | { type: 'vhost-user'; path: string; role: Role; queues?: number; reconnectSeconds?: number }
  | { type: 'stream'; path: string; role: Role }
  | { type: 'dgram'; path: string; peer: string }

export interface Card {
  plug: Plug
  mac: string
  /** what the device tells its driver, as host_mtu */
  mtu?: number
  /** false: virtio without checksum and segmentation offloads, both ways */
  offload?: boolean
  /** other properties of virtio-net-pci: { event_idx: 'off', rx_queue_size: 1024 } */
  properties?: Record<string, string | number>
}

const offloads = [
  ...['csum', 'gso', 'guest_csum', 'guest_tso4', 'guest_tso6'],
  ...['guest_ecn', 'guest_ufo', 'host_tso4', 'host_tso6'],
]

function netdev(plug: Plug): string[] {
  if (plug.type === 'tap')
    return ['-netdev', `tap,id=net,ifname=${plug.ifname},script=no,downscript=no,vhost=off`]
  if (plug.type === 'dgram') {
    const local = `local.type=unix,local.path=${plug.path}`
    return ['-netdev', `dgram,id=net,${local},remote.type=unix,remote.path=${plug.peer}`]
  }
  if (plug.type === 'stream') {
    const server = plug.role === 'server' ? 'on' : 'off'
    return ['-netdev', `stream,id=net,server=${server},addr.type=unix,addr.path=${plug.path}`]
  }
  const server = plug.role === 'server' ? ',server=on,wait=off' : ''
  const reconnect = plug.reconnectSeconds ? `,reconnect=${plug.reconnectSeconds}` : ''
  return [
    ...['-chardev', `socket,id=line,path=${plug.path}${server}${reconnect}`],
    ...['-netdev', `vhost-user,id=net,chardev=line,queues=${plug.queues ?? 1}`],
  ]
}

/** Memory that other processes can map, where the card's rings lie in it. */
function memory(plug: Plug, mebibytes: number): string[] {
  if (plug.type !== 'vhost-user') return ['-m', `${mebibytes}`]
  const backend = `memory-backend-memfd,id=mem,size=${mebibytes}M,share=on`
  return ['-m', `${mebibytes}`, '-object', backend, '-numa', 'node,memdev=mem']
}

/** Memory, netdev and device. */
export function plugged(card: Card, mebibytes: number): string[] {
  const { plug } = card
  const properties: Record<string, string | number> = { netdev: 'net', mac: card.mac }
  if (card.offload === false) for (const name of offloads) properties[name] = 'off'
  if (card.mtu) properties.host_mtu = card.mtu
  if (plug.type === 'vhost-user') {
    // QEMU 7.2 without KVM dies of a null pointer when the driver of a vhost-user card uses MSI-X.
    properties.vectors = 0
    if ((plug.queues ?? 1) > 1) properties.mq = 'on'
  }
  Object.assign(properties, card.properties)
  const words = Object.entries(properties).map(([name, value]) => `,${name}=${value}`)
  return [...memory(plug, mebibytes), ...netdev(plug), '-device', `virtio-net-pci${words.join('')}`]
}
