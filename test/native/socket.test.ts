import * as dgram from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { afterAll, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { Room } from '../../src/port/socket.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, must } from '../lab/command.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { probe, start } from './probe.ts'

const place = { netns: '', protocol: 'tcp', address: '127.0.0.1', port: 0 } as const

async function listen(fd: number): Promise<Server> {
  const server = createServer((socket) => socket.end('hello'))
  await new Promise<void>((ready) => server.listen({ fd }, ready))
  defer(() => server.close())
  return server
}

suite('sockets', ['setpriv', 'curl', 'ip'], () => {
  afterAll(cleanup)

  it('listen in a namespace and are served from here', async () => {
    const inside = new Namespace('sock')
    await listen(native.socketOpen({ ...place, netns: inside.path, port: 4242 }))
    expect(await inside.exec(['curl', '-s', '--http0.9', 'http://127.0.0.1:4242/'])).toBe('hello')
    await expect(must(['curl', '-s', '--http0.9', 'http://127.0.0.1:4242/'])).rejects.toThrow(/ended with 7/)
  })

  it('live in a namespace without a name, which goes when nothing is in it', async () => {
    const room = new Room()
    const inside = (...argv: string[]) =>
      must(['nsenter', `--net=/proc/${process.pid}/fd/${room.path.split('/').at(-1)}`, '--', ...argv])
    expect(native.namespaceExists(room.path)).toBe(true)
    expect(native.linkList(room.path).map(({ ifname, up }) => [ifname, up])).toEqual([['lo', true]])
    const server = await listen(native.socketOpen({ ...place, netns: room.path, port: 4242 }))
    expect(await inside('curl', '-s', '--http0.9', 'http://127.0.0.1:4242/')).toBe('hello')
    server.close()
    const { path } = room
    room.close()
    room.close()
    expect(native.namespaceExists(path)).toBe(false)
  })

  it('hold a device that goes with them', async () => {
    const ifname = `bpt${process.pid % 100000}r`
    const room = new Room()
    const device = {
      kind: 'tap',
      ifname,
      queues: 1,
      offload: true,
      persist: false,
      owner: -1,
      alias: 'test',
    } as const
    const { fds } = native.deviceOpen({ ...device, netns: room.path })
    native.linkSet({ netns: room.path, ifname, address: '192.0.2.1/30', up: true })
    expect(native.addressList(room.path)).toContainEqual({ ifname, address: '192.0.2.1' })
    const fd = native.socketOpen({ ...place, netns: room.path, address: '192.0.2.1', port: 53 })
    native.descriptorClose(fd)
    for (const each of fds) native.descriptorClose(each)
    await eventually('the device goes', () => native.linkGet(room.path, ifname) === null)
    room.close()
  })

  it('name what failed', async () => {
    const attempt = (options: object) => {
      try {
        native.descriptorClose(native.socketOpen({ ...place, ...options }))
      } catch (error) {
        const { code, syscall } = error as NodeJS.ErrnoException
        return [code, syscall]
      }
      return []
    }
    const server = await listen(native.socketOpen(place))
    const { port } = server.address() as { port: number }
    expect(attempt({ port })).toEqual(['EADDRINUSE', 'bind'])
    expect(attempt({ address: '192.0.2.77' })).toEqual(['EADDRNOTAVAIL', 'bind'])
    expect(attempt({ address: 'nonsense' })).toEqual(['EINVAL', 'bind'])
    expect(attempt({ netns: '/nowhere' })).toEqual(['ENOENT', 'open'])
    const low = `return attempt(() => native.socketOpen(${JSON.stringify({ ...place, port: 81 })}))`
    const bare = ['setpriv', '--bounding-set=-net_bind_service,-sys_admin']
    const inside = new Namespace('low')
    expect(await probe(low, [...inside.argv(), ...bare])).toEqual(['EACCES', 'bind', null])
    expect(await probe('return attempt(() => native.namespaceCreate())', bare)).toEqual([
      'EPERM',
      'unshare',
      null,
    ])
  })

  it('of UDP have sessions, bounded in number and in time', async () => {
    const server = dgram.createSocket('udp4')
    await new Promise<void>((bound) => server.bind(0, '127.0.0.1', bound))
    server.on('message', (bytes, peer) => server.send(bytes, peer.port, peer.address))
    const probe = dgram.createSocket('udp4')
    await new Promise<void>((bound) => probe.bind(0, '127.0.0.1', bound))
    const { port } = probe.address()
    probe.close()
    const fd = native.socketOpen({ ...place, protocol: 'udp', port })
    const limits = { capacity: 3, idleMs: 1000 }
    const target = { address: '127.0.0.1', port: server.address().port }
    const relay = native.relayOpen({ fd, protocol: 'udp', ...target, ...limits })
    const clients = Array.from({ length: 5 }, () => dgram.createSocket('udp4'))
    for (const [index, client] of clients.entries()) {
      const back = new Promise((resolve) => client.once('message', resolve))
      client.send(`${index}`, port, '127.0.0.1')
      expect(String(await back)).toBe(`${index}`)
      expect(native.relayCounts().sessions).toBeLessThanOrEqual(3)
    }
    await eventually('all end', () => native.relayCounts().sessions === 0)
    native.relayClose(relay)
    native.relayClose(relay)
    for (const socket of [server, ...clients]) socket.close()
  })

  it('and relays end with the process, whatever they do', async () => {
    const inside = new Namespace('end')
    const relay = `
      const fd = native.socketOpen(${JSON.stringify({ ...place, port: 4243 })})
      native.relayOpen({ fd, protocol: 'tcp', idleMs: 0, address: '127.0.0.1', port: 4244, capacity: 10 })`
    const ended = await probe(
      `${relay}\nsetTimeout(() => process.exit(0), 100)\nreturn 'ended'`,
      inside.argv(),
    )
    expect(ended).toBe('ended')
    const child = await start(relay, inside.argv())
    child.kill('SIGTERM')
    await new Promise((resolve) => child.on('close', resolve))
    expect(inside.pids()).toEqual([])
  })
})
