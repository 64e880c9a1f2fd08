import { readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { probe } from './probe.ts'

const addon = join(import.meta.dirname ?? '', '../../build/Release/bridgeport.node')
const own = process.getuid?.() ?? 0

function listen(path: string, options: { kind?: 'stream' | 'dgram'; mode?: number; owner?: number } = {}) {
  return native.unixListen({ path, kind: 'stream', mode: 0o660, owner: -1, ...options })
}

/** A connected pair: the end that was accepted, the end that connected. */
function pair(path: string): [number, number] {
  const server = listen(path)
  const there = native.unixConnect(path)
  const here = native.unixAccept(server)
  native.descriptorClose(server)
  return [here, there]
}

/** How many descriptors of this process lead to a memfd of this name. */
function held(name: string): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter((link) => link.includes(`memfd:${name}`)).length
}

describe('unix sockets', () => {
  afterAll(cleanup)

  it('have their mode and owner before anybody can connect', () => {
    const path = join(folder('channel'), 'a.sock')
    const fd = listen(path, { mode: 0o622, owner: own === 0 ? 12345 : own })
    const { mode, uid } = statSync(path)
    expect([mode & 0o777, uid]).toEqual([0o622, own === 0 ? 12345 : own])
    native.descriptorClose(fd)
  })

  it('replace a dead socket, and neither a live one nor another file', async () => {
    const at = folder('channel')
    const path = join(at, 'a.sock')
    native.descriptorClose(listen(path))
    const fd = listen(path)
    expect(() => listen(path)).toThrow(/EADDRINUSE/)
    expect(() => listen(path, { kind: 'dgram' })).toThrow(/EADDRINUSE/)
    native.descriptorClose(fd)
    native.descriptorClose(listen(path, { kind: 'dgram' }))
    writeFileSync(join(at, 'file'), '')
    expect(() => listen(join(at, 'file'))).toThrow(/EEXIST/)
    expect(() => listen(join(at, 'missing/a.sock'))).toThrow(/bind .*ENOENT/)
    expect(() => listen(join(at, 'long'.repeat(40)))).toThrow(/ENAMETOOLONG/)
    for (const nowhere of ['', '\0abstract']) expect(() => listen(nowhere)).toThrow(/EINVAL/)
  })

  it('tell that nobody is there, and that nobody waits', () => {
    const path = join(folder('channel'), 'a.sock')
    expect(() => native.unixConnect(path)).toThrow(/ENOENT/)
    const fd = listen(path)
    expect(native.unixAccept(fd)).toBe(-1)
    native.descriptorClose(fd)
    expect(() => native.unixConnect(path)).toThrow(/ECONNREFUSED/)
  })

  it('carry bytes and descriptors', () => {
    const [here, there] = pair(join(folder('channel'), 'a.sock'))
    expect(native.unixReceive(here, 64)).toBeNull()
    const memory = native.memoryCreate('carried', 4096)
    expect(native.unixSend(there, Buffer.from('hello'), [memory, memory])).toBe(true)
    native.unixSend(there, Buffer.from('world'), [])
    const first = native.unixReceive(here, 64)!
    expect([first.bytes.toString(), first.fds.length, held('carried')]).toEqual(['hello', 2, 3])
    expect(native.unixReceive(here, 2)!.bytes.toString()).toBe('wo')
    for (const fd of [...first.fds, memory, there]) native.descriptorClose(fd)
    expect(native.unixReceive(here, 64)!.bytes.toString()).toBe('rld')
    expect(native.unixReceive(here, 64)).toEqual({ bytes: Buffer.alloc(0), fds: [] })
    expect(() => native.unixSend(here, Buffer.from('x'), [])).toThrow(/EPIPE|ECONNRESET/)
    native.descriptorClose(here)
  })

  it('take as many descriptors as a message can have, and keep none when there is no room for them', async () => {
    const path = join(folder('channel'), 'a.sock')
    const [here, there] = pair(path)
    const memory = native.memoryCreate('many', 4096)
    native.unixSend(there, Buffer.from('x'), new Array<number>(253).fill(memory))
    const got = native.unixReceive(here, 64)!
    expect(got.fds.length).toBe(253)
    for (const fd of [...got.fds, memory, there, here]) native.descriptorClose(fd)
    expect(held('many')).toBe(0)
    const said = await probe(
      `const { readdirSync } = require('fs')
       const fd = native.unixListen({ path: ${JSON.stringify(path)}, kind: 'stream', mode: 0o600, owner: -1 })
       const there = native.unixConnect(${JSON.stringify(path)}), here = native.unixAccept(fd)
       const before = readdirSync('/proc/self/fd').length
       native.unixSend(there, Buffer.from('x'), new Array(100).fill(0))
       const error = attempt(() => native.unixReceive(here, 64))
       return [error, readdirSync('/proc/self/fd').length - before]`,
      ['prlimit', '--nofile=80'],
    )
    expect(said).toEqual([['EMFILE', 'recvmsg', null], 0])
  })

  it('say when a peer takes no more', () => {
    const [here, there] = pair(join(folder('channel'), 'a.sock'))
    let count = 0
    while (native.unixSend(here, Buffer.alloc(100), []) && count < 100_000) count++
    expect(count).toBeGreaterThan(10)
    expect(count).toBeLessThan(100_000)
    for (const fd of [here, there]) native.descriptorClose(fd)
  })
})

describe('watches', () => {
  afterAll(cleanup)

  it('call on the event loop until they are closed', async () => {
    const [here, there] = pair(join(folder('watch'), 'a.sock'))
    const said: string[] = []
    const watch = native.watchOpen(here, () => {
      const got = native.unixReceive(here, 64)
      said.push(got!.bytes.toString())
      if (got!.bytes.length === 0) native.watchClose(watch)
    })
    const hears = (texts: string[]) =>
      eventually(`the watch says ${texts}`, () => said.join() === texts.join())
    native.unixSend(there, Buffer.from('one'), [])
    await hears(['one'])
    native.unixSend(there, Buffer.from('two'), [])
    await hears(['one', 'two'])
    native.descriptorClose(there)
    await hears(['one', 'two', ''])
    expect(() => native.watchClose(watch)).toThrow(/EBADF/)
    native.descriptorClose(here)
  })

  it('tell of connections that wait', async () => {
    const path = join(folder('watch'), 'a.sock')
    const fd = listen(path)
    const accepted: number[] = []
    const watch = native.watchOpen(fd, () => accepted.push(native.unixAccept(fd)))
    const peer = native.unixConnect(path)
    await eventually('a connection', () => accepted.some((each) => each >= 0))
    native.watchClose(watch)
    for (const each of [fd, peer, ...accepted]) native.descriptorClose(each)
  })

  it('end with their thread', async () => {
    const [here, there] = pair(join(folder('watch'), 'a.sock'))
    const script = `const native = require(${JSON.stringify(addon)})
      native.watchOpen(${here}, () => {})
      require('worker_threads').parentPort.postMessage('open')`
    const worker = new Worker(script, { eval: true })
    defer(() => void worker.terminate())
    await new Promise((ready) => worker.once('message', ready))
    await worker.terminate()
    for (const fd of [here, there]) native.descriptorClose(fd)
  })

  it('are refused for what cannot be waited for', () => {
    expect(() => native.watchOpen(-1, () => {})).toThrow(/EBADF/)
  })
})
