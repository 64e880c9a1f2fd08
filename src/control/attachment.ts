/**
 * What a guest needs to be plugged into a port: the words for QEMU's command line, and what libvirt calls the same. A port's
 * guest has the MAC that is written for it, else one made of the two names: QEMU would give all guests the same.
 */
import { derivedMac } from './address.ts'
import type { NetworkConfiguration, PortConfiguration } from './configuration.ts'
import { Refusal } from './refusal.ts'

export interface Attachment {
  /** arguments of QEMU, one word each */
  qemu: string[]
  /** XML: an interface of the domain, or arguments for QEMU where libvirt knows no such interface */
  libvirt: string
}

/** A guest's memory in the words that are printed: stands in two places, which have to agree. */
export const MEMORY = '1G'
/** What a card has unless it is told otherwise. */
const ETHERNET_MTU = 1500

/** What the words are made of. */
interface Plug {
  port: PortConfiguration
  mac: string
  /** 0 for Ethernet's usual */
  mtu: number
}

/** A value within a comma-separated option of QEMU. */
function option(value: string): string {
  return value.replaceAll(',', ',,')
}

/** The card that the guest sees: with several queues an interrupt for each direction of each, for control and for changes. */
function card({ port, mac, mtu }: Plug): string[] {
  const queues = port.queues > 1 ? `,mq=on,vectors=${2 * port.queues + 2}` : ''
  const size = mtu === 0 ? '' : `,host_mtu=${mtu}`
  return ['-device', `virtio-net-pci,netdev=net-${port.name},mac=${mac}${queues}${size}`]
}

function several({ queues }: PortConfiguration): string {
  return queues > 1 ? `,queues=${queues}` : ''
}

/** The guest's memory has to be a file that can be handed over; QEMU finds the switch again after a restart of it. */
function shared(port: PortConfiguration, memory: string): string[] {
  const role = port.role === 'server' ? 'reconnect=1' : 'server=on,wait=off'
  return [
    ...['-m', memory],
    ...['-object', `memory-backend-memfd,id=mem,size=${memory},share=on`],
    ...['-machine', 'memory-backend=mem'],
    ...['-chardev', `socket,id=chr-${port.name},path=${option(port.path)},${role}`],
    ...['-netdev', `vhost-user,id=net-${port.name},chardev=chr-${port.name}${several(port)}`],
  ]
}

/** QEMU's end of the port. */
function netdev(port: PortConfiguration, memory: string): string[] {
  const id = `id=net-${port.name}`
  const [path, peer] = [option(port.path), option(port.peer)]
  switch (port.type) {
    case 'qemu-tap':
      return ['-netdev', `tap,${id},ifname=${port.ifname},script=no,downscript=no${several(port)}`]
    case 'vhost-user':
      return shared(port, memory)
    case 'stream': {
      const server = port.role === 'server' ? 'off' : 'on'
      return ['-netdev', `stream,${id},server=${server},addr.type=unix,addr.path=${path}`]
    }
    default: {
      const ends = `local.type=unix,local.path=${peer},remote.type=unix,remote.path=${path}`
      return ['-netdev', `dgram,${id},${ends}`]
    }
  }
}

function xml(text: string): string {
  const names: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    "'": '&apos;',
    '"': '&quot;',
  }
  return text.replace(/[&<>'"]/g, (mark) => names[mark])
}

/** The source of an interface in libvirt's words, where it has some. */
function source({ type, path, role, ifname }: PortConfiguration): { head: string; lines: string[] } | null {
  if (type === 'qemu-tap') return { head: 'ethernet', lines: [`<target dev='${xml(ifname)}' managed='no'/>`] }
  if (type !== 'vhost-user') return null
  const open = `<source type='unix' path='${xml(path)}' mode='${role === 'server' ? 'client' : 'server'}'`
  const lines =
    role === 'server' ? [`${open}>`, `  <reconnect enabled='yes' timeout='1'/>`, '</source>'] : [`${open}/>`]
  return { head: 'vhostuser', lines }
}

const MEMORY_NOTE =
  "<!-- beside <devices>: <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking> -->"
const ARGUMENTS_NOTE = '<!-- beside <devices>: libvirt itself has no such interface -->'

function domain(plug: Plug): string {
  const { port, mac, mtu } = plug
  const found = source(port)
  if (found === null) {
    const words = [...netdev(port, MEMORY), ...card(plug)].map((word) => `  <qemu:arg value='${xml(word)}'/>`)
    const open = "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
    return [ARGUMENTS_NOTE, open, ...words, '</qemu:commandline>', ''].join('\n')
  }
  const inner = [
    `<mac address='${mac}'/>`,
    ...found.lines,
    `<model type='virtio'/>`,
    ...(port.queues > 1 ? [`<driver queues='${port.queues}'/>`] : []),
    ...(mtu === 0 ? [] : [`<mtu size='${mtu}'/>`]),
  ].map((line) => `  ${line}`)
  const note = port.type === 'vhost-user' ? [MEMORY_NOTE] : []
  return [...note, `<interface type='${found.head}'>`, ...inner, '</interface>', ''].join('\n')
}

/** How a guest is plugged in; throws a Refusal for a port that is none for guests. `memory` is the guest's, as QEMU writes it. */
export function attachment(
  port: PortConfiguration,
  network: NetworkConfiguration,
  memory = MEMORY,
): Attachment {
  if (!['qemu-tap', 'vhost-user', 'stream', 'dgram'].includes(port.type))
    throw new Refusal(
      `port ${port.name}`,
      `no guest is plugged into a ${port.type}`,
      'add one of type qemu-tap, vhost-user, stream or dgram',
    )
  const mtu = port.mtu || network.mtu
  const plug = {
    port,
    mac: port.mac ?? derivedMac(port.network, port.name),
    mtu: mtu === ETHERNET_MTU ? 0 : mtu,
  }
  return { qemu: [...netdev(port, memory), ...card(plug)], libvirt: domain(plug) }
}
