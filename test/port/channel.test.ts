import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { Channel, type ChannelSpec } from '../../src/port/channel.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'
import { start } from '../native/probe.ts'

suite('channels', [], () => {
  const open: Channel[] = []
  const descriptors: number[] = []

  afterEach(() => {
    for (const channel of open.splice(0)) channel.close()
    for (const fd of descriptors.splice(0)) native.descriptorClose(fd)
  })
  afterAll(cleanup)

  /** A channel that collects its peers. */
  function channel(path: string, spec: Partial<ChannelSpec> = {}): { channel: Channel; peers: number[] } {
    const peers: number[] = []
    const made = new Channel({ path, role: 'server', mode: 0o660, owner: -1, ...spec }, (fd) =>
      peers.push(fd),
    )
    open.push(made)
    return { channel: made, peers }
  }

  function connect(path: string): number {
    const fd = native.unixConnect(path)
    descriptors.push(fd)
    return fd
  }

  const said = (fd: number) => native.unixReceive(fd, 64)?.bytes.toString() ?? null

  it('serve one peer at a time; the next one waits until the first is gone', async () => {
    const path = join(folder('server'), 'a.sock')
    const { channel: server, peers } = channel(path, { mode: 0o600 })
    server.open()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const [first, second] = [connect(path), connect(path)]
    native.unixSend(first, Buffer.from('first'), [])
    native.unixSend(second, Buffer.from('second'), [])
    await eventually('the first peer', () => peers.length > 0)
    await pause(50)
    expect([peers.length, said(peers[0])]).toEqual([1, 'first'])
    native.descriptorClose(peers[0])
    server.done()
    await eventually('the second peer', () => peers.length === 2)
    expect(said(peers[1])).toBe('second')
    native.descriptorClose(peers[1])
    server.close()
    expect(existsSync(path)).toBe(false)
    expect(() => native.unixConnect(path)).toThrow(/ENOENT/)
  })

  it('connect as soon as there is a server, and again when it went', async () => {
    const path = join(folder('client'), 'a.sock')
    const { channel: client, peers } = channel(path, { role: 'client' })
    client.open()
    await pause(20)
    const server = native.unixListen({ path, kind: 'stream', mode: 0o600, owner: -1 })
    await eventually('a connection', () => peers.length === 1, 5000)
    descriptors.push(native.unixAccept(server))
    native.descriptorClose(server)
    native.descriptorClose(peers[0])
    client.done()
    const again = native.unixListen({ path, kind: 'stream', mode: 0o600, owner: -1 })
    descriptors.push(again)
    await eventually('another connection', () => peers.length === 2, 5000)
    native.descriptorClose(peers[1])
    client.close()
    expect(existsSync(path)).toBe(true)
  })

  it('take nobody after their end', async () => {
    const path = join(folder('end'), 'a.sock')
    const { channel: server, peers } = channel(path)
    server.open()
    connect(path)
    server.close()
    server.done()
    const { channel: client, peers: none } = channel(path, { role: 'client' })
    client.open()
    client.close()
    await pause(50)
    expect([peers, none]).toEqual([[], []])
  })

  it('are refused where somebody listens, and replace what a killed switch left', async () => {
    const path = join(folder('stale'), 'a.sock')
    const options = JSON.stringify({ path, kind: 'stream', mode: 0o600, owner: -1 })
    const other = await start(`native.unixListen(${options})`)
    expect(() => channel(path).channel.open()).toThrow(/EADDRINUSE/)
    other.kill('SIGKILL')
    await new Promise((gone) => other.once('exit', gone))
    expect(existsSync(path)).toBe(true)
    const { channel: server, peers } = channel(path)
    server.open()
    connect(path)
    await eventually('the peer', () => peers.length === 1)
    descriptors.push(...peers)
  })
})
