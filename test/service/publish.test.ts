/** Published ports between a client on one loopback address and a guest on another. */
import { createHash, randomBytes } from 'node:crypto'
import * as dgram from 'node:dgram'
import * as net from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type Mapping, Published } from '../../src/service/publish.ts'
import { Refused } from '../../src/service/refused.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'

const HOST = '127.0.0.1'
const GUEST = '127.0.0.2'
/** A block of ports of this process. */
const base = 20_000 + (process.pid % 500) * 20

const published = new Published()

function mapping(protocol: 'tcp' | 'udp', over: Partial<Mapping> = {}): Mapping {
  return { protocol, address: HOST, first: base, last: base, to: GUEST, toFirst: base + 10, ...over }
}

/** A TCP server of the guest. */
async function guest(act: (socket: net.Socket) => void, port = base + 10): Promise<net.Server> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    act(socket)
  })
  await new Promise<void>((ready) => server.listen(port, GUEST, ready))
  defer(() => server.close())
  return server
}

function connect(port = base): net.Socket {
  return net.connect({ host: HOST, port, allowHalfOpen: true })
}

/** Everything up to the end of the other side's direction. */
function all(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  return new Promise((resolve, reject) => {
    socket.on('end', () => resolve(Buffer.concat(chunks)))
    socket.on('error', reject)
  })
}

/** `end` or the code of the error that ended a connection. */
function fate(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    socket.on('end', () => resolve('end'))
    socket.resume()
  })
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe('published TCP ports', () => {
  afterEach(() => {
    published.close()
    cleanup()
  })

  it('carry every byte both ways, and an end in one direction leaves the other', async () => {
    const sent = randomBytes(24 << 20)
    await guest(
      (socket) =>
        void all(socket).then((bytes) => socket.end(Buffer.concat([Buffer.from(digest(bytes)), bytes]))),
    )
    published.set([mapping('tcp')])
    const before = published.counts()
    const socket = connect()
    socket.end(sent)
    const received = await all(socket)
    expect(received.subarray(0, 64).toString()).toBe(digest(sent))
    expect(digest(received.subarray(64))).toBe(digest(sent))
    expect(published.counts().bytes - before.bytes).toBe(2 * sent.length + 64)
    expect(published.counts().accepted - before.accepted).toBe(1)
    await eventually('the connection is forgotten', () => published.counts().sessions === 0)
  })

  it('wait for who reads slowly, and lose nothing', async () => {
    const sent = randomBytes(32 << 20)
    let written = 0
    await guest((socket) => {
      socket.write(sent, () => socket.end())
      const timer = setInterval(() => {
        written = socket.bytesWritten - socket.writableLength
      }, 5)
      socket.on('close', () => clearInterval(timer))
    })
    published.set([mapping('tcp')])
    const socket = connect()
    socket.pause()
    let moved = -1
    await eventually('the flow stands', async () => {
      const before = moved
      await new Promise((resolve) => setTimeout(resolve, 200))
      moved = published.counts().bytes
      return moved === before
    })
    expect(written).toBeLessThanOrEqual(sent.length)
    const stood = published.counts().bytes
    socket.resume()
    expect(digest(await all(socket))).toBe(digest(sent))
    expect(published.counts().bytes).toBeGreaterThan(stood)
  })

  it('serve many at once', async () => {
    await guest((socket) => socket.pipe(socket))
    published.set([mapping('tcp')])
    const results = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const socket = connect()
        socket.end(Buffer.alloc(10_000 + index, index))
        return (await all(socket)).every((byte) => byte === index)
      }),
    )
    expect(results.every(Boolean)).toBe(true)
    await eventually('none is left', () => published.counts().sessions === 0)
  })

  it('pass on a reset and a refusal as a reset', async () => {
    published.set([mapping('tcp')])
    const { refused } = published.counts()
    expect(await fate(connect())).toBe('ECONNRESET')
    expect(published.counts().refused - refused).toBe(1)
    await guest((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const socket = connect()
    socket.write('x')
    expect(await fate(socket)).toBe('ECONNRESET')
    let inside = ''
    const server = await guest(
      (socket) =>
        void fate(socket).then((how) => {
          inside = how
        }),
      base + 11,
    )
    published.set([mapping('tcp', { toFirst: base + 11 })])
    const client = connect()
    client.write('x')
    await eventually(
      'the guest has it',
      () => new Promise<boolean>((resolve) => server.getConnections((_, count) => resolve(count === 1))),
    )
    client.resetAndDestroy()
    await eventually('the guest hears of it', () => inside === 'ECONNRESET')
    await eventually('none is left', () => published.counts().sessions === 0)
  })

  it('come and go alone', async () => {
    await guest((socket) => socket.pipe(socket))
    const [one, two] = [mapping('tcp'), mapping('tcp', { first: base + 1, last: base + 1 })]
    published.set([one])
    const socket = connect()
    socket.write('a')
    await new Promise((resolve) => socket.once('data', resolve))
    published.set([one, two])
    const other = connect(base + 1)
    other.write('b')
    await new Promise((resolve) => other.once('data', resolve))
    published.set([one])
    expect(await fate(other)).toBe('ECONNRESET')
    expect(await fate(connect(base + 1))).toBe('ECONNREFUSED')
    socket.end('c')
    expect((await all(socket)).toString()).toBe('c')
    published.set([two])
    expect(await fate(connect())).toBe('ECONNREFUSED')
  })

  it('lead in ranges, in order', async () => {
    for (let index = 0; index < 3; index++) await guest((socket) => socket.end(`${index}`), base + 10 + index)
    published.set([mapping('tcp', { last: base + 2 })])
    for (let index = 0; index < 3; index++)
      expect((await all(connect(base + index))).toString()).toBe(`${index}`)
  })
})

describe('published UDP ports', () => {
  afterEach(() => {
    published.close()
    cleanup()
  })

  async function socketAt(port: number, address: string): Promise<dgram.Socket> {
    const socket = dgram.createSocket('udp4')
    await new Promise<void>((bound) => socket.bind(port, address, bound))
    return socket
  }

  const message = (socket: dgram.Socket) =>
    new Promise<string>((resolve) => socket.once('message', (bytes) => resolve(bytes.toString())))

  it('bring each answer to who asked', async () => {
    const server = await socketAt(base + 10, GUEST)
    server.on('message', (bytes, peer) => server.send(`${bytes} back`, peer.port, peer.address))
    published.set([mapping('udp')])
    const clients = await Promise.all(Array.from({ length: 20 }, () => socketAt(0, HOST)))
    const answers = await Promise.all(
      clients.map((client, index) => {
        client.send(`hello ${index}`, base, HOST)
        return message(client)
      }),
    )
    expect(answers).toEqual(clients.map((_, index) => `hello ${index} back`))
    expect(published.counts().sessions).toBe(20)
    for (let round = 0; round < 3; round++) clients[0].send('again', base, HOST)
    expect(await message(clients[0])).toBe('again back')
    expect(published.counts().sessions).toBe(20)
    published.close()
    expect(published.counts().sessions).toBe(0)
    for (const each of [server, ...clients]) each.close()
  })

  it('forget a session when nobody listens any more, and reach who listens later', async () => {
    published.set([mapping('udp')])
    const client = await socketAt(0, HOST)
    const first = await socketAt(base + 10, GUEST)
    const hello = message(first)
    client.send('hello', base, HOST)
    expect(await hello).toBe('hello')
    expect(published.counts().sessions).toBe(1)
    first.close()
    client.send('lost', base, HOST)
    await eventually('the session ends', () => published.counts().sessions === 0)
    const second = await socketAt(base + 10, GUEST)
    const heard = message(second)
    client.send('found', base, HOST)
    expect(await heard).toBe('found')
    client.close()
    second.close()
  })

  it('carry datagrams of every length', async () => {
    const server = await socketAt(base + 10, GUEST)
    server.on('message', (bytes, peer) => server.send(bytes, peer.port, peer.address))
    published.set([mapping('udp')])
    const client = await socketAt(0, HOST)
    for (const length of [0, 1, 1472, 1473, 9000, 65_507]) {
      const sent = randomBytes(length)
      const back = new Promise<Buffer>((resolve) => client.once('message', resolve))
      client.send(sent, base, HOST)
      expect(digest(await back), `${length} bytes`).toBe(digest(sent))
    }
    client.close()
    server.close()
  })
})

describe('a port that cannot be published', () => {
  afterEach(() => {
    published.close()
    cleanup()
  })

  it.each(['tcp', 'udp'] as const)('is told, and nothing else changes (%s)', async (protocol) => {
    await guest((socket) => socket.end('kept'))
    const kept = mapping('tcp')
    published.set([kept])
    const taken = net.createServer()
    await new Promise<void>((ready) => taken.listen(base + 4, HOST, ready))
    const busy = dgram.createSocket('udp4')
    await new Promise<void>((bound) => busy.bind(base + 4, HOST, bound))
    const range = mapping(protocol, { first: base + 2, last: base + 5 })
    const swap = mapping('tcp', { toFirst: base + 15 })
    expect(() => published.set([swap, range])).toThrow(Refused)
    expect(() => published.set([kept, range])).toThrow(
      new RegExp(`^publish ${protocol}:${HOST}:${base + 4}: the port is in use on the host; see who has it`),
    )
    expect((await all(connect())).toString()).toBe('kept')
    expect(await fate(connect(base + 2))).toBe('ECONNREFUSED')
    taken.close()
    busy.close()
    published.set([kept, range])
  })

  it('because the host has no such address', () => {
    expect(() => published.set([mapping('tcp', { address: '192.0.2.77' })])).toThrow(
      /the host has no address 192.0.2.77; /,
    )
  })
})
