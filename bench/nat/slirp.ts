/** slirp4netns: TCP and UDP end at its own stack (libslirp), which speaks to the outside by sockets of the host. */
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Ground } from '../compare/ground.ts'
import { installed, type Peer, version } from '../compare/peer.ts'
import { host, type NatJoint, published, routed, wire } from './site.ts'

/** The guest's address is the hundredth of its network, which is at most a /25 large: neither can be chosen. */
const guest = '10.0.2.100'
const answerMs = 5000

/** One request over the API socket; slirp4netns reads to the end of it before it answers. */
function ask(path: string, request: object): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect({ path, allowHalfOpen: true })
    socket.setEncoding('utf8').setTimeout(answerMs, () => socket.destroy(new Error('slirp4netns is silent')))
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.once('error', reject).once('end', () => {
      socket.destroy()
      resolve(answer)
    })
    socket.end(JSON.stringify(request))
  })
}

async function start(ground: Ground, mtu: number): Promise<NatJoint> {
  await wire(ground)
  const api = join(ground.folder, 'slirp.sock')
  const options = ['--netns-type=path', '--configure', `--mtu=${mtu}`, `--api-socket=${api}`]
  const target = [`/run/netns/${ground.a}`, 'tap0']
  const { pid } = ground.spawn('slirp4netns', [...options, ...target], { namespace: ground.s })
  await ground.appears(api, () => existsSync(api))
  await routed(ground)
  const ports = { host_addr: '0.0.0.0', host_port: published, guest_addr: guest, guest_port: published }
  const answer = await ask(api, { execute: 'add_hostfwd', arguments: { proto: 'tcp', ...ports } })
  if (!answer.includes('"return"')) throw new Error(`slirp4netns publishes nothing: ${answer}`)
  return { a: 'tap0', b: 'eth0', pids: [pid], publishedAt: host }
}

const common = {
  missing: () => (installed('slirp4netns') ? null : 'install the package slirp4netns'),
  version: () => `slirp4netns ${version('slirp4netns', ['--version'], /(\d+\.\d+\S*)/)}`,
}

/** 1500 is its own default. */
export const slirp: Peer<NatJoint> = {
  name: 'slirp4netns',
  title: 'slirp4netns',
  ...common,
  start: (ground) => start(ground, 1500),
}

/** As rootless containers use it. */
export const slirpJumbo: Peer<NatJoint> = {
  name: 'slirp4netns-65520',
  title: 'slirp4netns, MTU 65520',
  ...common,
  start: (ground) => start(ground, 65_520),
}
