/**
 * How many TCP connections a second a NAT opens and closes: wrk fetches nothing from nginx, over and over, each time in a connection of
 * its own. Both are C and frugal, so that what stands between them is the larger part of the cost.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { between, usage } from '../compare/cpu.ts'
import type { Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { type NatJoint, outside } from './site.ts'

const port = 8080
/** Enough that nobody waits for a round trip; far below the sockets that slirp4netns may have, 1,024. */
const parallel = 64
const slackMs = 10_000

/** The server closes: its side keeps TIME_WAIT, and the client may use a port again at once. */
function configuration(folder: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const temporary = paths.map((name) => `${name}_temp_path ${folder};`).join(' ')
  return [
    'user root; worker_processes 1; daemon off; error_log stderr;',
    `pid ${join(folder, 'nginx.pid')};`,
    'events { worker_connections 4096; multi_accept on; }',
    `http { access_log off; keepalive_timeout 0; ${temporary}`,
    `  server { listen ${port} backlog=4096; return 204; } }`,
    '',
  ].join('\n')
}

interface Count {
  done: number
  failed: number
  perSecond: number
}

/** What wrk says: `N requests in …`, `Socket errors: connect N, read N, write N, timeout N` if any, `Requests/sec: N`. */
export function read(output: string): Count {
  const done = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0)
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? 0)
  if (done === 0) throw new Error(`wrk: no connection was made: ${output.trim().split('\n').at(-1)}`)
  const errors = /Socket errors:(.*)/.exec(output)?.[1] ?? ''
  const failed = [...errors.matchAll(/\d+/g)].reduce((sum, [count]) => sum + Number(count), 0)
  return { done, failed, perSecond }
}

async function take(ground: Ground, joint: NatJoint, seconds: number): Promise<Sample> {
  const file = join(ground.folder, 'nginx.conf')
  writeFileSync(file, configuration(ground.folder))
  const server = ground.spawn('nginx', ['-e', 'stderr', '-c', file], { namespace: ground.b })
  const probe = () => ground.run('ss', ['-Hltn', 'sport', '=', String(port)], { namespace: ground.b })
  for (let listening = ''; !listening; listening = await probe())
    if (server.ended) throw new Error(`nginx ended: ${server.output.trim()}`)
  const url = `http://${outside}:${port}/`
  const load = ['--threads', '1', '--connections', String(parallel), '--duration', `${Math.ceil(seconds)}s`]
  const before = usage(joint.pids)
  const client = ['--header', 'Connection: close', ...load, url]
  const output = await ground.run('wrk', client, { namespace: ground.a }, seconds * 1000 + slackMs)
  const used = between(before, usage(joint.pids))
  await server.stop()
  const { done, failed, perSecond } = read(output)
  const sample: Sample = {
    connections: perSecond,
    connectionsFailed: (100 * failed) / (done + failed),
    connectionsMachine: used.machine / (done / 1000),
  }
  if (used.own !== null) sample.connectionsSwitch = used.own / (done / 1000)
  return sample
}

const needs = { wrk: 'wrk', nginx: 'nginx-light', ss: 'iproute2' }

export const connect: Measurement<NatJoint> = { name: 'connect', needs, take }
