/** Rights of this process, and what to tell a user who lacks one: what it is called, and the way that needs none. */
import { accessSync, constants, readFileSync } from 'node:fs'
import type { Failure } from '../port/device.ts'
import type { Configuration } from './configuration.ts'
import type { Spec } from './member.ts'
import { Refusal } from './refusal.ts'

/** Bits of linux/capability.h. */
const CAPABILITIES = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n, CAP_SYS_ADMIN: 21n }
type Capability = keyof typeof CAPABILITIES

/** Which of the rights for interfaces and namespaces this process does not have (proc_pid_status(5)). */
export function lacking(): Capability[] {
  const status = readFileSync('/proc/self/status', 'latin1')
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  const names = Object.keys(CAPABILITIES) as Capability[]
  return names.filter((name) => ((effective >> CAPABILITIES[name]) & 1n) === 0n)
}

/** Why this process can make no TAP in a namespace of its own, '' if nothing is known to be in the way. */
export function confinement(): string {
  const missing = lacking().filter((name) => name !== 'CAP_NET_RAW')
  if (missing.length > 0) return `${missing.join(', ')} missing`
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    return ''
  } catch (error) {
    return `/dev/net/tun: ${(error as NodeJS.ErrnoException).code}`
  }
}

/** True if everything that the configuration asks for can be had without rights: nothing of it is an interface of the kernel. */
export function isModest({ networks, ports }: Configuration): boolean {
  const isSocket = (type: string) => ['vhost-user', 'stream', 'dgram', 'memory'].includes(type)
  const ends = [...networks.values()].every(({ uplink, host }) => uplink.kind === 'none' && host === null)
  return ends && [...ports.values()].every(({ type }) => isSocket(type))
}

const ROOT = 'start the switch as root (sudo bridgeport up)'

/** What devices of each type ask for; one in another namespace asks for more. */
const NEEDS: Record<string, Capability[]> = {
  tap: ['CAP_NET_ADMIN'],
  tun: ['CAP_NET_ADMIN'],
  host: ['CAP_NET_ADMIN'],
  'qemu-tap': ['CAP_NET_ADMIN', 'CAP_NET_RAW'],
  nic: ['CAP_NET_RAW'],
}

/** The rights that a device lacks, or what else the kernel did not permit. */
function missing({ type, netns }: Spec, { syscall, path }: Failure): string {
  const needs = [...(NEEDS[type] ?? []), ...(netns === '' ? [] : (['CAP_SYS_ADMIN'] as const))]
  // Classifiers of packets are the bpf(2) call's, which has a right of its own.
  if (syscall.startsWith('BPF')) return 'CAP_BPF'
  const own = lacking().filter((name) => needs.includes(name))
  return own.length > 0 ? own.join(' and ') : `the right to ${[syscall, path].filter(Boolean).join(' ')}`
}

/** What a port's device could not be made for. */
export function denied(spec: Spec, error: Failure): Refusal {
  const { name, network, type, hidden } = spec
  const right = missing(spec, error)
  if (hidden) {
    const of = network.replace(/-uplink$/, '')
    return new Refusal(`network ${of}`, `its uplink needs ${right}`, `${ROOT} or write uplink: none`)
  }
  if (type === 'host') {
    const remedy = `${ROOT} or write mode: internal without host:`
    return new Refusal(`network ${network}`, `its interface on the host needs ${right}`, remedy)
  }
  const remedy = `${ROOT} or plug it in by type stream, dgram or vhost-user, which need no right`
  return new Refusal(`port ${name}`, `type ${type} needs ${right}`, remedy)
}
