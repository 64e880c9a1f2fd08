/** Pages fetched and sent through NAT by real clients, on two workers, past a narrow hop, and beside a guest that takes all ports. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync, says } from '../lab/command.ts'
import { Namespace } from '../lab/namespace.ts'
import { drops, type Outdoors, outdoors, WORLD } from '../lab/outdoors.ts'
import { suite } from '../lab/peer.ts'

const BYTES = 8_000_000
const FAR = '198.51.100.9'
const NARROW = 1280
/** Ports that the gateway may give out, and how many a guest asks for. */
const PORTS = 100
const ASKED = 300
const page = Buffer.alloc(BYTES, 'the page, again and again. ')
const digest = createHash('sha256').update(page).digest('hex')

/** Gives the page, and says what it got by its hash. */
const server = `const page = Buffer.alloc(${BYTES}, 'the page, again and again. ')
  require('http').createServer((q, s) => {
    if (q.method === 'GET') return s.end(page)
    const hash = require('crypto').createHash('sha256')
    q.on('data', (d) => hash.update(d)).on('end', () => s.end(hash.digest('hex')))
  }).listen(8080, () => console.log('ready'))`
/** One datagram from each of many ports, which stay open. */
const flood = `const { createSocket } = require('dgram'); let sent = 0
  for (let n = 0; n < ${ASKED}; n++) { const s = createSocket('udp4'); s.bind(20000 + n, () => s.send('x', 9, '${WORLD}', () => { if (++sent === ${ASKED}) process.exit() })) }`

suite('connections through the gateway of two workers', ['curl', 'sha256sum'], () => {
  let scene: Outdoors
  let far: Namespace

  beforeAll(async () => {
    scene = await outdoors({ nat: { ports: `5000-${5000 + PORTS - 1}` } }, { workers: 2 })
    const { world } = scene
    far = new Namespace('far')
    const end = ['netns', far.name]
    mustSync(
      'ip',
      'link',
      'add',
      'far0',
      'mtu',
      String(NARROW),
      'netns',
      world.name,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      ...end,
    )
    mustSync(...world.argv('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'far0'))
    mustSync(...world.argv('ip', 'link', 'set', 'far0', 'up'))
    mustSync(...world.argv('sysctl', '-qw', 'net.ipv4.ip_forward=1'))
    mustSync(...far.argv('ip', 'addr', 'add', `${FAR}/24`, 'dev', 'eth0'))
    mustSync(...far.argv('ip', 'link', 'set', 'eth0', 'up'))
    mustSync(...far.argv('ip', 'route', 'add', 'default', 'via', '198.51.100.1'))
    for (const place of [world, far]) await says(place.spawn(process.execPath, '-e', server), /ready/)
  })
  afterAll(cleanup)

  const curl = ['curl', '-sS', '--max-time', '15']
  const fetched = async (guest: Namespace, from: string) => {
    const said = await guest.exec(['sh', '-c', `${curl.join(' ')} http://${from}:8080/ | sha256sum`])
    return said.split(' ')[0]
  }
  const sent = (guest: Namespace, to: string) =>
    guest.exec(['sh', '-c', `head -c ${BYTES} /dev/zero | ${curl.join(' ')} -T - -X PUT http://${to}:8080/`])
  const zeros = createHash('sha256').update(Buffer.alloc(BYTES)).digest('hex')

  it('carry a page to a guest, and one from it, whole', async () => {
    for (const guest of scene.guests) {
      expect(await fetched(guest, WORLD)).toBe(digest)
      expect(await sent(guest, WORLD)).toBe(zeros)
    }
  })

  it('carry them at the same time', async () => {
    const all = scene.guests.flatMap((guest) => [
      fetched(guest, WORLD),
      sent(guest, WORLD),
      fetched(guest, WORLD),
    ])
    expect(await Promise.all(all)).toEqual([digest, zeros, digest, digest, zeros, digest])
  })

  it('learn of a narrow hop beyond from its router, whose words come through', async () => {
    const [guest] = scene.guests
    expect(await sent(guest, FAR)).toBe(zeros)
    // The server itself offered segments for 1500 bytes: only the router in between can have said so.
    expect(await guest.exec(['ip', 'route', 'get', FAR])).toContain(`mtu ${NARROW}`)
  })

  it('go on while a guest takes every port there is', async () => {
    const [guest, other] = scene.guests
    const before = (await drops(scene.daemon)).nat_exhausted ?? 0
    await guest.exec([process.execPath, '-e', flood])
    const spent = async () => ((await drops(scene.daemon)).nat_exhausted ?? 0) - before
    await eventually('the exhaustion', async () => (await spent()) >= ASKED - PORTS)
    // Of UDP; connections and pings have endpoints of their own.
    expect(await fetched(other, WORLD)).toBe(digest)
    expect((await other.attempt(['ping', '-c', '2', '-i', '0.2', '-W', '2', WORLD])).status).toBe(0)
  })
})
