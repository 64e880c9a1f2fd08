/** Front-ends that want to keep the switch busy: kicks, messages and buffers without end, and memory that goes away under it. */
import { spawn, spawnSync } from 'node:child_process'
import { writeSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { defer } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { mac } from '../lab/frame.ts'
import { suite } from '../lab/peer.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Front, Gone, readable } from '../lab/virtio/front.ts'
import type { Piece } from '../lab/virtio/memory.ts'
import * as message from '../lab/virtio/message.ts'
import { discard } from '../lab/virtio/offence.ts'
import { type Held, type Scene, stage } from '../lab/virtio/scene.ts'
import { type Attachment, Station } from '../lab/virtio/station.ts'

const GiB = 2n ** 30n
const MEGABYTE = 2 ** 20
/** Writes to an eventfd as fast as it can. */
const KICKER = 'import os\none = (1).to_bytes(8, "little")\nwhile True: os.write(3, one)'
/** Makes an eventfd one that waits, for everybody who has it. */
const LOOSENER = 'import fcntl\nfcntl.fcntl(3, fcntl.F_SETFL, fcntl.fcntl(3, fcntl.F_GETFL) & ~0o4000)'

suite('front-ends that keep the switch busy', ['python3'], () => {
  let scene: Scene
  let before: Held
  let guest: Station

  stage((opened, held) => {
    scene = opened
    before = held
  })
  afterEach(async () => {
    guest.close()
    discard()
    await scene.serves()
    await eventually('descriptors and mappings are given back', () => {
      const { descriptors, guests } = scene.held()
      return descriptors <= before.descriptors && guests === before.guests
    }).catch(() => expect(scene.held()).toEqual(before))
  })

  async function attach(options: Attachment = {}): Promise<Station> {
    guest = new Station(66, options)
    guest.front = await Front.meet(scene.path())
    await guest.front.start(guest.wishes)
    return guest
  }

  const front = () => guest.front as Front

  it('kicks without end', async () => {
    const { pair } = await attach()
    const child = spawn('python3', ['-c', KICKER], {
      stdio: ['ignore', 'ignore', 'inherit', pair.transmitter.kick],
    })
    defer(() => child.kill('SIGKILL'))
    await scene.bystanders.pass(10)
    expect(child.exitCode).toBe(null)
    child.kill('SIGKILL')
    const [one] = scene.bystanders.ends
    guest.say(one.mac, 0)
    await eventually('its frame is sent', () => pair.reclaim() === 1)
  })

  it('a ring that is never emptied', async () => {
    const { pair } = await attach()
    pair.fill()
    const [one] = scene.bystanders.ends
    let known = false
    one.odd = (frame) =>
      void (Buffer.compare(frame.subarray(6, 12), Uint8Array.from(mac(guest.mac))) === 0 && (known = true))
    guest.say(one.mac, 0)
    await eventually('it is known', () => known)
    pair.reclaim()
    const lost = async () => Object.values((await scene.row()).drops).reduce((sum, count) => sum + count, 0)
    const first = await lost()
    for (let sent = 0; sent < 1200; sent += 40) {
      one.say(guest.mac, ...Array(40).fill(0))
      await scene.bystanders.pass(1)
    }
    expect((await lost()) - first).toBeGreaterThanOrEqual(1200 - 256)
    expect(guest.heard(one.mac).length).toBe(256)
  })

  it('buffers of nothing without end', { timeout: 60_000 }, async () => {
    const { pair } = await attach({
      size: 16,
      receiveSize: 32_768,
      spans: [{ guest: 0n, length: 4 * MEGABYTE }],
    })
    const { ring } = pair.receiver
    const { address } = guest.memory.allocate(16)
    for (let i = 0; i < ring.size; i++) {
      ring.describe(i, { address, length: 0 }, i % 1000 === 999 ? 2 : 3, i + 1)
      ring.enter(i - (i % 1000), ring.next++)
    }
    pair.receiver.publish()
    for (let i = 0; i < 10; i++) {
      scene.bystanders.shout()
      await scene.bystanders.pass(2)
    }
  })

  describe('memory that goes away', () => {
    const spans = [
      { guest: 0n, length: MEGABYTE },
      { guest: 4n * GiB, length: MEGABYTE },
    ]

    async function expectVanished(count: number): Promise<void> {
      const kicking = setInterval(() => {
        native.doorbellRing(guest.pair.transmitter.kick)
        scene.bystanders.shout()
      }, 5)
      await front()
        .closed()
        .finally(() => clearInterval(kicking))
      await eventually('its name', async () => (await scene.faults('memory_vanished')) === count + 1)
      await scene.bystanders.pass()
    }

    it('under a frame', async () => {
      const { memory, pair } = await attach({ spans })
      const count = await scene.faults('memory_vanished')
      const piece = memory.allocate(100, memory.regions[1])
      memory.regions[1].shrink(0)
      pair.transmitter.ring.offer([{ ...piece, write: false }])
      pair.transmitter.publish()
      await expectVanished(count)
    })

    it('under a buffer', async () => {
      const { memory, pair } = await attach({ spans })
      const count = await scene.faults('memory_vanished')
      const piece: Piece = memory.allocate(4096, memory.regions[1])
      memory.regions[1].shrink(0)
      pair.receiver.ring.offer([{ ...piece, write: true }])
      pair.receiver.publish()
      await expectVanished(count)
    })

    it('under an indirect table', async () => {
      const { memory, pair } = await attach({ spans })
      const count = await scene.faults('memory_vanished')
      const { address } = memory.allocate(4096, memory.regions[1])
      memory.regions[1].shrink(0)
      const { ring } = pair.transmitter
      ring.describe(0, { address, length: 64 }, 4)
      ring.enter(0, ring.next++)
      pair.transmitter.publish()
      await expectVanished(count)
    })

    it('under the rings', async () => {
      await attach({ spans, areas: 1 })
      const count = await scene.faults('memory_vanished')
      guest.memory.regions[1].shrink(0)
      await expectVanished(count)
    })
  })

  describe('floods of', () => {
    /** Sends until the switch closes the connection or `count` messages are sent; resolves to how many were. */
    async function flood(count: number, send: (n: number) => boolean): Promise<number> {
      let sent = 0
      try {
        while (sent < count) {
          if (send(sent)) sent++
          else await pause(1)
          if (sent % 256 === 0) await pause(0)
        }
      } catch (error) {
        if (!(error instanceof Gone)) throw error
      }
      return sent
    }

    it('questions whose answers nobody reads', async () => {
      const count = await scene.faults('protocol')
      guest = new Station(66)
      guest.front = await Front.meet(scene.path())
      const rss = scene.daemon.rss()
      const question = message.message(feature.GET_FEATURES, Buffer.alloc(0))
      expect(await flood(1_000_000, () => front().raw(question))).toBeLessThan(1_000_000)
      expect(await scene.faults('protocol')).toBe(count + 1)
      expect(scene.daemon.rss() - rss).toBeLessThan(32 * MEGABYTE)
    })

    const good: [string, number, (n: number) => [number, Buffer, number[]]][] = [
      [
        'new doorbells',
        2000,
        (n) => [feature.SET_VRING_CALL, message.u64(BigInt(n & 1)), [guest.pair.receiver.call]],
      ],
      [
        'rings that are enabled and not',
        2000,
        (n) => [feature.SET_VRING_ENABLE, message.u32(n & 1, (n >> 1) & 1), []],
      ],
      [
        'rings that start again',
        500,
        (n) => [feature.SET_VRING_KICK, message.u64(BigInt(n & 1)), [guest.pair.lanes[n & 1].kick]],
      ],
      [
        'the same memory',
        300,
        () => [feature.SET_MEM_TABLE, message.table(guest.memory), guest.memory.regions.map(({ fd }) => fd)],
      ],
    ]

    it.each(good)('%s', async (_, count, make) => {
      await attach()
      const send = (n: number) => {
        const [request, payload, fds] = make(n)
        return front().raw(message.message(request, payload), fds)
      }
      expect(await flood(count, send)).toBe(count)
      await front().ask(feature.GET_FEATURES)
      await scene.bystanders.pass()
    })
  })

  it('a doorbell that is full and waits', async () => {
    const { pair } = await attach()
    pair.fill()
    for (const lane of pair.lanes) {
      writeSync(lane.call, message.u64(2n ** 64n - 2n))
      const stdio: ('ignore' | 'inherit' | number)[] = ['ignore', 'ignore', 'inherit', lane.call]
      expect(spawnSync('python3', ['-c', LOOSENER], { stdio }).status).toBe(0)
    }
    guest.say(scene.bystanders.ends[0].mac, 0)
    for (let i = 0; i < 5; i++) scene.bystanders.shout()
    await scene.bystanders.pass(10)
  })

  it('a second one at the same time waits for its turn', async () => {
    await attach()
    const second = Front.connect(scene.path())
    second.send(feature.GET_FEATURES)
    await expect(readable(second.fd, 200)).rejects.toThrow(/nothing to read/)
    guest.detach()
    expect((await second.next()).request).toBe(feature.GET_FEATURES)
    second.vanish()
  })
})
