/**
 * The ground of the rules: two namespaces in networks of their own, and a router with rules between them.
 *
 *     a: load  (eth0, 10.77.0.1) ─┐
 *                                 ├─ the router, in namespace s ── b (eth0, 10.78.0.1)
 *     a: probe (eth1, 10.79.0.1) ─┘
 *
 * The probe has an interface of its own: what it waits for is the router, not the queue that the load fills. UDP is dropped in both
 * namespaces before anybody could answer it, so that no ICMP error loads the way back.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { End, Ground } from '../compare/ground.ts'
import type { Joint } from '../compare/peer.ts'

export interface Side {
  end: End
  ifname: string
  /** its network at the router, in a rule's words */
  network: string
  subnet: string
  address: string
  gateway: string
}

export const prefix = 24

const side = (end: End, ifname: string, network: string, start: string): Side => ({
  end,
  ifname,
  network,
  subnet: `${start}.0/${prefix}`,
  address: `${start}.1`,
  gateway: `${start}.254`,
})

export const load = side('a', 'eth0', 'load', '10.77.0')
export const probe = side('a', 'eth1', 'probe', '10.79.0')
export const far = side('b', 'eth0', 'far', '10.78.0')
export const sides = [load, far, probe]

export interface RulesJoint extends Joint {
  /** Puts a text into force as an administrator would; resolves when it is, to the milliseconds that took. */
  restore(file: string): Promise<number>
}

const sink =
  'table ip sink { chain early { type filter hook prerouting priority raw; meta l4proto udp drop; }; }\n'

/** Routes, and silence: nobody asks for MAC addresses while frames are counted. */
export async function settle(ground: Ground): Promise<void> {
  const file = join(ground.folder, 'sink.nft')
  writeFileSync(file, sink)
  for (const namespace of [ground.a, ground.b]) await ground.run('nft', ['--file', file], { namespace })
  for (const { end, ifname, gateway } of sides) {
    const namespace = ground[end]
    // Answers to the probe come from where the load's route points to.
    for (const name of ['all', ifname])
      await ground.run('sysctl', ['-qw', `net.ipv4.conf.${name}.rp_filter=0`], { namespace })
    const route = ['route', 'add', 'default', 'via', gateway, 'dev', ifname]
    await ground.run('ip', [...route, 'metric', ifname === 'eth0' ? '1' : '2'], { namespace })
  }
}

/** Runs a command that puts rules into force; milliseconds. */
export async function timed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await act()
  return performance.now() - began
}

/** How long a restore may take: nft's translation of 10,000 rules takes seconds on a busy machine. */
export const restoreMs = 60_000
