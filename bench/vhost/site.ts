/**
 * The ground of guests: a switch whose forwarding thread has core 0, and on core 1 one process that is both guests.
 *
 *     core 1: A (0) ── unix socket, rings in shared memory ──┐
 *                                                            ├── core 0: the switch
 *     core 1: B (1) ── unix socket, rings in shared memory ──┘
 *
 * All that forwards is pinned, whatever else these processes have (control threads, database) is not. DPDK's memory is hugepages
 * without names (--in-memory): nothing has to be mounted, and nothing is left behind.
 */
import type { Ground } from '../compare/ground.ts'
import type { Joint } from '../compare/peer.ts'

/** CPUs, by the kernel's numbers. */
export const cores = { switching: 0, guests: 1 }

/** Sockets of two ports. */
export interface Pair {
  a: string
  b: string
}

/** What a peer offers; a measurement takes nothing where its part is missing. */
export interface VhostJoint extends Joint {
  /** two ports of one switch without addresses */
  wire?: Pair
  /** guest and outside: what a sends arrives at b with another source */
  nat?: Pair & { source: string }
  /** what two QEMU guests are plugged into */
  guests?: { a: Plug; b: Plug }
  /** true: its CPU time while nothing happens is a figure */
  idles?: boolean
  /** Pins the forwarding thread, by what can be seen while frames flow; absent where the peer was told its core. */
  pin?(ground: Ground): Promise<void>
}

/** What a guest's card hangs on: the socket of a vhost-user port, or a TAP in namespace s. */
export type Plug = { socket: string } | { ifname: string }

/** MACs of A and B, in every measurement. */
export const macs = ['02:00:00:00:01:00', '02:00:00:00:01:01']

/** Descriptors of each of their rings: as many as the recipes of DPDK have. */
const ring = 1024

/** Hugepages of one process, in MiB; 16,384 frame buffers take 40. */
const memory = 256

/** What DPDK's environment is told; `name` tells processes of one moment apart. */
export function environment(ground: Ground, name: string): string[] {
  const prefix = `${ground.s}-${name}`
  const quiet = ['--no-pci', '--no-telemetry', '--log-level=4', `--file-prefix=${prefix}`]
  return [...quiet, '--in-memory', '--single-file-segments', '-m', String(memory)]
}

/** The two guests as DPDK's virtio_user ports. */
export function devices(pair: Pair): string[] {
  const device = (n: number, path: string) =>
    `--vdev=net_virtio_user${n},path=${path},mac=${macs[n]},queue_size=${ring}`
  return [device(0, pair.a), device(1, pair.b)]
}
