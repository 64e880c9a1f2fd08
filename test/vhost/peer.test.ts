/** A front-end's connection: messages in pieces and in crowds, floods, and the ways in which it ends. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it, vi } from 'vitest'
import { native } from '../../src/memory/native.ts'
import type { FrontProgram } from '../../src/vhost/front.ts'
import * as message from '../../src/vhost/message.ts'
import { Peer } from '../../src/vhost/peer.ts'
import { Session } from '../../src/vhost/session.ts'
import { cleanup } from '../lab/cleanup.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'
import { Random } from '../lab/random.ts'
import { Front } from '../lab/virtio/front.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { u32, u64, message as whole } from '../lab/virtio/message.ts'
import { Pair } from '../lab/virtio/pair.ts'
import { holdings, Stage } from '../lab/virtio/stage.ts'
import { compose, sequence } from '../lab/virtio/storm.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const ASK = whole(message.GET_FEATURES, Buffer.alloc(0))

suite('a connection', [], () => {
  const at = folder('peer')
  const counted = () => readdirSync('/proc/self/fd').length
  let before = 0
  let front: Front
  let peer: Peer
  /** resolves with what the front-end did wrong */
  let gone: Promise<string>
  let seats: (FrontProgram | null)[] = []
  /** what workers wait for before they answer, and who wants to know that they were told */
  let held = Promise.resolve()
  let told = () => {}

  /** A front-end and a session, joined by a socket. */
  function connect(): void {
    const path = join(at, 'a.sock')
    const server = native.unixListen({ path, kind: 'stream', mode: 0o600, owner: -1 })
    front = Front.connect(path)
    const here = native.unixAccept(server)
    native.descriptorClose(server)
    const seat = async (given: FrontProgram | null) => {
      told()
      await held
      seats.push(given)
    }
    const session = new Session({ queues: 1, mtu: 1500, offload: true }, { seat, next: () => 5 })
    gone = new Promise((resolve) => {
      peer = new Peer(here, session, resolve)
    })
  }

  beforeEach(() => {
    before = counted()
    seats = []
    held = Promise.resolve()
    connect()
  })
  afterEach(async () => {
    await peer.end()
    front.vanish()
    expect(counted()).toBe(before)
  })
  afterAll(cleanup)

  it('serves a front-end, which then goes', async () => {
    const memory = new Memory()
    const pairs = [new Pair(memory)]
    await front.start({ memory, pairs })
    expect(seats.at(-1)?.pairs[0].transmit?.enabled).toBe(true)
    expect(await front.stop(0)).toBe(5)
    front.vanish()
    expect(await gone).toBe('')
    expect(seats.at(-1)).toBeNull()
    for (const pair of pairs) pair.close()
    memory.close()
  })

  it('puts messages together from single bytes, descriptors included', async () => {
    const call = native.doorbellCreate()
    const bytes = whole(message.SET_VRING_CALL, u64(0n), 9)
    front.raw(bytes.subarray(0, 1), [call])
    for (let i = 1; i < bytes.length; i++) front.raw(bytes.subarray(i, i + 1))
    expect((await front.next()).payload).toEqual(u64(0n))
    native.descriptorClose(call)
  })

  it('answers a crowd of messages one by one', async () => {
    front.raw(Buffer.concat(Array.from({ length: 100 }, () => ASK)))
    for (let i = 0; i < 100; i++) expect((await front.next()).request).toBe(message.GET_FEATURES)
  })

  it('lets others have their turn during a flood, and reads no more than the message under way', async () => {
    const flood = whole(message.SET_VRING_BASE, u32(0, 1))
    let sent = 0
    while (sent < 20_000 && front.raw(flood)) sent++
    const receive = vi.spyOn(native, 'unixReceive')
    let turns = 0
    // There is room again when the flood is nearly over.
    while (!front.raw(ASK)) {
      await new Promise((resolve) => setImmediate(resolve))
      turns++
    }
    expect((await front.next()).request).toBe(message.GET_FEATURES)
    const longest = Math.max(...receive.mock.calls.map(([, length]) => length))
    receive.mockRestore()
    expect(sent).toBeGreaterThan(100)
    expect(turns).toBeGreaterThan(0)
    expect(longest).toBeLessThanOrEqual(message.PAYLOAD_MAX)
  })

  it('ends with who asks and never reads', async () => {
    const ask = Buffer.concat(Array.from({ length: 100 }, () => ASK))
    const flood = setInterval(() => {
      try {
        front.raw(ask)
      } catch {
        clearInterval(flood)
      }
    }, 1)
    expect(await gone).toBe('it does not read the answers that it asks for')
    clearInterval(flood)
  })

  it('ends with who says something wrong, once workers have let go', async () => {
    front.send(99)
    expect(await gone).toBe('request 99 is none that was offered')
    await expect(front.next()).rejects.toThrow()
  })

  it('reads no payload behind a header that is wrong', async () => {
    front.raw(u32(message.SET_FEATURES, 1, 2 ** 32 - 1))
    expect(await gone).toBe('SET_FEATURES with 4294967295 bytes')
  })

  it('takes no more descriptors than a message can have', async () => {
    const fds = Array.from({ length: 200 }, () => native.doorbellCreate())
    const bytes = whole(message.SET_MEM_TABLE, u32(0, 0))
    for (const at of [0, 1, 2]) front.raw(bytes.subarray(at, at + 1), fds)
    expect(await gone).toBe('more descriptors than a message can have')
    for (const fd of fds) native.descriptorClose(fd)
  })

  it('ends in the middle of a message, or before one', async () => {
    const call = native.doorbellCreate()
    front.raw(whole(message.SET_VRING_CALL, u64(0n)).subarray(0, 14), [call])
    native.descriptorClose(call)
    front.vanish()
    expect(await gone).toBe('')
  })

  it('that is ended first finishes what is under way, and tells nobody', async () => {
    const memory = new Memory()
    const pairs = [new Pair(memory)]
    await front.start({ memory, pairs })
    let release = () => {}
    held = new Promise((resolve) => {
      release = resolve
    })
    const begun = new Promise<void>((resolve) => {
      told = resolve
    })
    front.send(message.GET_VRING_BASE, u32(0, 0))
    await begun
    const heard = vi.fn()
    void gone.then(heard)
    const count = seats.length
    const ended = peer.end()
    expect(seats).toHaveLength(count)
    release()
    await ended
    expect(seats.slice(count).map((each) => each?.pairs[0].receive ?? null)).toEqual([null, null])
    expect(seats.at(-1)).toBeNull()
    expect(heard).not.toHaveBeenCalled()
    for (const pair of pairs) pair.close()
    memory.close()
  })

  it(`keeps nothing of 1,000 front-ends that mean harm, seed ${seed}`, { timeout: 60_000 }, async () => {
    await peer.end()
    front.vanish()
    const spans = [0n, 0x1_0000_0000n].map((guest) => ({ guest, length: 2 ** 21 }))
    const stage = new Stage({ queues: 1 }, new Memory(spans))
    const open = { descriptors: counted(), maps: holdings() }
    for (let number = 0; number < 1000; number++) {
      const random = new Random(seed + number)
      connect()
      try {
        for (const line of sequence(random).lines) {
          const { request, flags, payload, fds } = compose(stage, line, random, random.once(10))
          const bytes = whole(request, payload, flags, random.once(50) ? random.word() : payload.length)
          const cut = random.once(8) ? random.below(bytes.length) + 1 : bytes.length
          front.raw(bytes.subarray(0, cut), fds.slice(0, 253))
          for (const fd of fds) native.descriptorClose(fd)
          if (cut < bytes.length && random.once(2)) break
          if (cut < bytes.length) front.raw(bytes.subarray(cut))
        }
        if (random.once(2)) await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 1))])
      } catch (error) {
        if (!/EPIPE|ECONNRESET|Gone/.test(String(error)))
          throw new Error(`SEED=${seed} ${number}`, { cause: error })
      }
      front.vanish()
      if (random.once(4)) await peer.end()
      else await gone
      if (counted() !== open.descriptors) throw new Error(`SEED=${seed}, ${number}: ${counted()} descriptors`)
    }
    expect(holdings()).toEqual(open.maps)
    await stage.close()
  })
})
