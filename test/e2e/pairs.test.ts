/** What front-ends may do to a port with several pairs of rings: start and stop them, move on after an end, give memory and take it away. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { broadcast, ethernet, ipv4, join, numberOf, udp } from '../lab/frame.ts'
import { suite } from '../lab/peer.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Front } from '../lab/virtio/front.ts'
import { Memory } from '../lab/virtio/memory.ts'
import * as message from '../lab/virtio/message.ts'
import { Pair } from '../lab/virtio/pair.ts'
import { Scene } from '../lab/virtio/scene.ts'

const PAIRS = 4
const FLOWS = 64
const OWN = '02:00:00:00:00:42'
const GiB = 2n ** 30n

/** A datagram of a flow, with a number to know it again. */
function datagram(to: string, from: string, flow: number, number: number): Uint8Array {
  const addresses = { source: '10.9.0.1', destination: '10.9.0.2', protocol: 17, fragment: 0 }
  const payload = new Uint8Array(8)
  new DataView(payload.buffer).setUint32(0, number)
  return ethernet(to, from, 0x0800, ipv4(addresses, udp(1000 + flow, 2000, payload)))
}

const flowOf = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset).getUint16(34) - 1000
const countOf = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset).getUint32(42)

suite('a port with several pairs of rings', [], () => {
  let scene: Scene
  let memory: Memory
  let pairs: Pair[]
  let front: Front
  let greetings = 0

  beforeAll(async () => {
    scene = await Scene.open({ queues: PAIRS }, [], 2)
  })
  afterEach(async () => {
    front.vanish()
    for (const pair of pairs) pair.close()
    memory.close()
    await scene.bystanders.pass()
    await scene.alone()
  })
  afterAll(async () => {
    await scene?.bystanders.stop()
    cleanup()
  })

  async function attach(base = 0): Promise<void> {
    memory = new Memory([{ guest: 0n, length: 2 ** 23 }])
    pairs = Array.from({ length: PAIRS }, () => new Pair(memory, { base }))
    for (const pair of pairs) pair.fill()
    front = await Front.meet(scene.path())
    await front.start({ memory, pairs })
    const [one] = scene.bystanders.ends
    const greeting = 0xffff_0000 + ++greetings
    let known = false
    one.odd = (frame) => void (frame[12] === 0x88 && numberOf(frame) === greeting && (known = true))
    pairs[0].send(marked(one.mac, greeting))
    // A buffer comes back as soon as its frame is copied: only who hears the frame knows that its sender was learned.
    await eventually('its address is learned', () => known)
    pairs[0].reclaim()
    for (const pair of pairs) pair.drain()
  }

  /** A bystander sends one datagram of every flow, `rounds` times; resolves to what came to each pair. */
  async function deliver(rounds: number): Promise<Uint8Array[][]> {
    const [one] = scene.bystanders.ends
    const got: Uint8Array[][] = pairs.map(() => [])
    const total = () => got.reduce((sum, each) => sum + each.length, 0)
    for (let round = 0; round < rounds; round++) {
      for (let flow = 0; flow < FLOWS; flow++) one.pair.put(datagram(OWN, one.mac, flow, round))
      one.pair.transmitter.publish()
      await eventually(`${FLOWS} datagrams, of which ${total() - round * FLOWS} came`, () => {
        for (const [i, pair] of pairs.entries())
          got[i].push(
            ...pair.drain().flatMap(({ frame }) => (frame[12] === 8 && frame[13] === 0 ? [frame] : [])),
          )
        return total() === (round + 1) * FLOWS
      })
    }
    return got
  }

  it('each flow comes to one of them, in its order, and all of the sender’s worker are used', async () => {
    await attach()
    const got = await deliver(20)
    const homes = new Map<number, number>()
    expect(got.filter((frames) => frames.length > 0).length).toBe(PAIRS / 2)
    for (const [i, frames] of got.entries()) {
      const next = new Map<number, number>()
      for (const frame of frames) {
        const flow = flowOf(frame)
        expect(homes.get(flow) ?? i).toBe(i)
        homes.set(flow, i)
        expect(countOf(frame)).toBe(next.get(flow) ?? 0)
        next.set(flow, countOf(frame) + 1)
      }
    }
    expect(homes.size).toBe(FLOWS)
  })

  it('those that are not enabled get nothing, and none is lost', async () => {
    await attach()
    for (const disabled of [[1, 2, 3], [0, 2], [3], []]) {
      for (let i = 0; i < PAIRS; i++) await front.enable(2 * i, !disabled.includes(i))
      const got = await deliver(3)
      for (const i of disabled) expect(got[i]).toEqual([])
    }
  })

  it('all of them send', async () => {
    await attach()
    const [one] = scene.bystanders.ends
    const numbers = new Set<number>()
    one.odd = (frame) => void (frame[12] === 0x88 && numbers.add(numberOf(frame)))
    let number = 0
    for (let round = 0; round < 10; round++) {
      for (const pair of pairs) {
        for (let i = 0; i < 16; i++)
          pair.put(join(ethernet(one.mac, OWN, 0x88b5, message.u32(0)), new Uint8Array(40)))
        for (let i = 0; i < 8; i++) pair.put(marked(one.mac, ++number))
        pair.transmitter.publish()
      }
      await eventually('all are sent', () => {
        for (const pair of pairs) pair.reclaim()
        return pairs.every((pair) => pair.transmitter.ring.outstanding === 0)
      })
      await scene.bystanders.pass(1)
    }
    numbers.delete(0)
    expect(numbers.size).toBe(number)
  })

  function marked(to: string, number: number): Uint8Array {
    const frame = ethernet(to, OWN, 0x88b5, new Uint8Array(50))
    new DataView(frame.buffer).setUint32(14, number)
    return frame
  }

  it('rings that stop and start again go on where they were', async () => {
    await attach(65_500)
    const [one] = scene.bystanders.ends
    const heard: number[] = []
    one.odd = (frame) => void (frame[12] === 0x88 && numberOf(frame) > 0 && heard.push(numberOf(frame)))
    let number = 0
    for (let round = 0; round < 20; round++) {
      const [pair] = pairs
      for (let i = 0; i < 8; i++) pair.put(marked(one.mac, ++number))
      pair.transmitter.publish()
      const base = await front.stop(1)
      pair.reclaim()
      expect(base).toBe(pair.transmitter.ring.seen)
      const waiting = (pair.transmitter.ring.next - base) & 0xffff
      expect(waiting).toBeLessThanOrEqual(8)
      for await (const _ of front.seat(1, pair, 1));
      await front.enable(1, true)
      await eventually('the rest is sent', () => {
        pair.reclaim()
        return pair.transmitter.ring.outstanding === 0
      })
    }
    await eventually('all came', () => heard.length === number)
    expect(heard).toEqual(Array.from({ length: number }, (_, i) => i + 1))
    const got = await deliver(2)
    expect(got.flat().length).toBe(2 * FLOWS)
  })

  it('memory that comes while rings run is used at once, and after it went it is no address', async () => {
    await attach()
    const [one] = scene.bystanders.ends
    const [pair] = pairs
    const heard: number[] = []
    one.odd = (frame) => void (frame[12] === 0x88 && numberOf(frame) > 0 && heard.push(numberOf(frame)))
    const region = memory.add({ guest: 16n * GiB, length: 2 ** 20 })
    await front.tell(
      feature.SET_MEM_TABLE,
      message.table(memory),
      memory.regions.map(({ fd }) => fd),
    )
    const frame = marked(one.mac, 4711)
    const piece = memory.allocate(pair.header + frame.length, region)
    memory.bytes(piece).set(frame, pair.header)
    pair.transmitter.ring.offer([{ ...piece, write: false }])
    pair.transmitter.publish()
    await eventually('the frame from there', () => heard.includes(4711))
    pair.reclaim()
    const left = { regions: memory.regions.slice(0, 1) } as Memory
    await front.tell(feature.SET_MEM_TABLE, message.table(left), [memory.regions[0].fd])
    const count = await scene.faults('address_range')
    pair.transmitter.ring.offer([{ ...piece, write: false }])
    pair.transmitter.publish()
    await front.closed()
    expect(await scene.faults('address_range')).toBe(count + 1)
  })

  it('a front-end that comes again goes on with the rings that it had', async () => {
    await attach()
    const [one] = scene.bystanders.ends
    const heard: number[] = []
    one.odd = (frame) => void (frame[12] === 0x88 && numberOf(frame) > 0 && heard.push(numberOf(frame)))
    let number = 0
    for (let round = 0; round < 10; round++) {
      front.vanish()
      for (const pair of pairs) for (let i = 0; i < 4; i++) pair.put(marked(one.mac, ++number))
      for (const pair of pairs) pair.transmitter.publish()
      front = await Front.meet(scene.path())
      await front.start({ memory, pairs })
      await eventually('what it left is sent', () => {
        for (const pair of pairs) pair.reclaim()
        return pairs.every((pair) => pair.transmitter.ring.outstanding === 0)
      })
    }
    await eventually('all came', () => heard.length === number)
    expect(heard.toSorted((a, b) => a - b)).toEqual(Array.from({ length: number }, (_, i) => i + 1))
    await pause(1)
    one.say(broadcast, 0)
    await eventually('a frame for it', () => pairs.some((pair) => pair.drain().length > 0))
  })
})
