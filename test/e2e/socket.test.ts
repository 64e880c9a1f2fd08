/** Peers of stream ports that mean harm, before a real daemon: their port counts or goes down, and nobody else notices. */
import { readdirSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { broadcast, join as concat, numbered, numberOf, u32 } from '../lab/frame.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Pinger } from '../lab/pinger.ts'
import { address, lan, mac, tap } from '../lab/plan.ts'
import { Random } from '../lab/random.ts'

const framed = (bytes: Uint8Array) => concat(u32(bytes.length), bytes)
const frame = (number: number, to = broadcast, length = 60) => numbered(to, mac(66), number, length)

suite('hostile peers of stream ports', [], () => {
  let a: Namespace
  let b: Namespace
  let daemon: Daemon
  let steady: Pinger
  const at = (name: string) => join(daemon.folder, `${name}.sock`)
  const stream = { network: 'lan', type: 'stream' }
  const configuration = () => ({
    networks: { lan },
    ports: { a: tap(a, 11), b: tap(b, 12), bad: stream, good: stream },
  })
  const descriptors = () => readdirSync(`/proc/${daemon.pid}/fd`).length

  beforeAll(async () => {
    a = new Namespace('a')
    b = new Namespace('b')
    daemon = await Daemon.start(configuration())
    await serveEcho(b)
    await a.exec(['ping', '-c', '1', address(12)])
    steady = new Pinger(a, address(12), 0.02)
  })
  afterAll(cleanup)

  /** A connection: who finds the backlog full tries again. */
  async function dial(name = 'bad'): Promise<Socket> {
    for (;;) {
      const socket = connect(at(name))
      const isThere = await new Promise((done) => {
        socket.once('connect', () => done(true))
        socket.once('error', () => done(false))
      })
      socket.on('error', () => {})
      defer(() => socket.destroy())
      if (isThere) return socket
      await pause(5)
    }
  }

  /** A connection that is served. */
  async function peer(name = 'bad'): Promise<Socket> {
    const socket = await dial(name)
    await eventually(`${name} is up`, async () => (await daemon.port(name)).state === 'up')
    return socket
  }

  /** Resolves when the switch hung up. */
  function over(socket: Socket): Promise<void> {
    socket.resume()
    return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())))
  }

  async function leave(socket: Socket, name = 'bad'): Promise<void> {
    socket.destroy()
    await eventually(`${name} waits`, async () => (await daemon.port(name)).state === 'waiting')
  }

  const drops = async (name = 'bad') => (await daemon.port(name)).drops

  it('frames that are none are counted', async () => {
    const socket = await peer()
    const bad = [
      new Uint8Array(0),
      new Uint8Array(13),
      frame(1, broadcast, 1515),
      frame(1, broadcast, 65_557),
    ]
    socket.write(concat(...bad.map(framed), framed(frame(2, mac(66)))))
    await eventually('all are counted', async () => (await drops()).same_port === 1)
    expect(await drops()).toMatchObject({ runt: 2, oversize: 2 })
    await leave(socket)
  })

  it('a length that no frame has, and garbage, end the connection; the next one is served', async () => {
    const random = new Random(Date.now() & 0xffff)
    for (const bytes of [u32(65_558), u32(-1), Array.from({ length: 4096 }, () => random.below(256))]) {
      const socket = await dial()
      socket.write(Uint8Array.from(bytes))
      await over(socket)
    }
    await leave(await peer())
    expect(daemon.output).toContain('impossible length')
    const metrics = await daemon.get('/metrics')
    expect(metrics).toMatch(
      /^bridgeport_port_faults_total\{port="\w+",network="\w+",reason="frame_length"\} [1-9]/m,
    )
  })

  it('an end at any byte leaves nothing behind', async () => {
    const before = descriptors()
    const bytes = framed(frame(1))
    for (let length = 0; length <= bytes.length; length++) {
      const socket = await dial()
      await new Promise<void>((done) => socket.end(bytes.subarray(0, length), () => done()))
      await over(socket)
    }
    await leave(await peer())
    await eventually('descriptors are closed', () => descriptors() <= before)
  })

  it('who comes while somebody is served waits, and is served then', async () => {
    const first = await peer()
    const others = await Promise.all([dial(), dial(), dial()])
    // The switch's own API has a descriptor for a moment after it answered.
    await pause(100)
    const before = descriptors()
    for (const each of others) each.write(framed(frame(1, mac(66))))
    first.write(framed(frame(2)))
    await exchange(a, address(12))
    expect(descriptors()).toBe(before)
    const { same_port: counted = 0 } = await drops()
    first.destroy()
    await eventually('the next one is served', async () => ((await drops()).same_port ?? 0) === counted + 1)
    for (const each of others) each.destroy()
    await leave(await peer())
  })

  it('a peer that never reads holds a bounded memory and costs no time; when it reads, it gets whole frames in order', async () => {
    const [lazy, good] = [await peer(), await peer('good')]
    lazy.pause()
    lazy.write(framed(frame(0)))
    await eventually('it is known', async () => (await daemon.macs()).some((each) => each.mac === mac(66)))
    const memory = daemon.rss()
    let count = 0
    const flood = async (frames: number) => {
      const some = Array.from({ length: frames }, () => framed(numbered(mac(66), mac(67), count++, 1000)))
      if (!good.write(concat(...some))) await new Promise((drained) => good.once('drain', drained))
    }
    for (let i = 0; i < 100; i++) await flood(200)
    await eventually('the port is full', async () => ((await drops()).egress_full ?? 0) > count / 4)
    expect(daemon.rss() - memory).toBeLessThan(32 << 20)
    const cpu = daemon.cpuSeconds()
    await pause(1000)
    expect(daemon.cpuSeconds() - cpu).toBeLessThan(0.5)
    const numbers: number[] = []
    let rest = Buffer.alloc(0)
    lazy.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
        const taken = rest.subarray(4, 4 + rest.readUInt32BE())
        if (taken.readUInt16BE(12) === 0x88b5) numbers.push(numberOf(taken))
        rest = rest.subarray(4 + taken.length)
      }
    })
    lazy.resume()
    await eventually('it catches up', async () => {
      await flood(1)
      await pause(20)
      return numbers.at(-1) === count - 1
    })
    expect(numbers).toEqual([...numbers].sort((x, y) => x - y))
    await leave(lazy)
    await leave(good, 'good')
  })

  it('a reload leaves a connection alone unless its port changed', async () => {
    const socket = await peer()
    const other = await peer('good')
    const ends: string[] = []
    void over(socket).then(() => ends.push('bad'))
    void over(other).then(() => ends.push('good'))
    const { bad, good, ...rest } = configuration().ports
    await daemon.reload({
      networks: { lan },
      ports: { ...rest, bad: { ...bad, macLimit: 7 }, good: { ...good, mode: '0600' } },
    })
    await eventually('the port that changed hung up', () => ends.length > 0)
    const { same_port: counted = 0 } = await drops()
    socket.write(framed(frame(1, mac(66))))
    await eventually('the other one is served', async () => ((await drops()).same_port ?? 0) > counted)
    expect([ends, statSync(at('good')).mode & 0o777]).toEqual([['good'], 0o600])
    await daemon.reload(configuration())
    await leave(socket)
  })

  it('hundreds of connections that come and go leave nothing behind', async () => {
    const before = descriptors()
    const memory = daemon.rss()
    for (let i = 0; i < 300; i++) (await dial()).destroy()
    await leave(await peer())
    await eventually('descriptors are closed', () => descriptors() <= before)
    expect(daemon.rss() - memory).toBeLessThan(64 << 20)
  })

  it('meanwhile nobody else lost anything', async () => {
    expect(await steady.stop()).toEqual([])
    expect((await daemon.port('b')).drops).toEqual({})
  })
})
