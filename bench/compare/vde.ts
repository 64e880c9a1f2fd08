/** VDE: vde_switch, and a vde_plug2tap for each end that carries frames between a TAP and the switch's unix socket. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { counters } from './counters.ts'
import type { Ground } from './ground.ts'
import { installed, type Joint, type Peer, version } from './peer.ts'

async function start(ground: Ground): Promise<Joint> {
  const inside = { namespace: ground.s }
  const socket = join(ground.folder, 'vde')
  const pids = [ground.spawn('vde_switch', ['--sock', socket], inside).pid]
  await ground.appears(socket, () => existsSync(join(socket, 'ctl')))
  for (const end of ['a', 'b'] as const) {
    const plug = ground.spawn('vde_plug2tap', ['--sock', socket, `vde-${end}`], inside)
    pids.push(plug.pid)
    await ground.appears(`vde-${end}`, () => counters(`/proc/${plug.pid}/net/dev`, `vde-${end}`) !== null)
    await ground.plug(end, `vde-${end}`)
  }
  return { a: 'vde-a', b: 'vde-b', pids }
}

export const vde: Peer = {
  name: 'vde',
  title: 'VDE',
  missing: () => (installed('vde_switch') && installed('vde_plug2tap') ? null : 'install the package vde2'),
  version: () => `VDE ${version('vde_switch', ['--version'], /(\d+\.\d+\S*)/)}`,
  start,
}
