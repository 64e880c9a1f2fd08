/** Front-ends that do anything at any time, from a printed seed: messages good and bad, crimes on rings, random words in their areas, memory taken away. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'
import { Random } from '../lab/random.ts'
import { crimes, SIZE, short, spans } from '../lab/virtio/crime.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Front, Gone } from '../lab/virtio/front.ts'
import * as message from '../lab/virtio/message.ts'
import { discard, offences } from '../lab/virtio/offence.ts'
import { WRITE } from '../lab/virtio/ring.ts'
import { type Held, Scene } from '../lab/virtio/scene.ts'
import { Station } from '../lab/virtio/station.ts'

const seed = Number(process.env.SEED ?? Date.now() & 0x7fffffff)
const LIVES = Number(process.env.LIVES ?? 150)
const ACTS = 40

suite(`front-ends that do anything (SEED=${seed})`, [], () => {
  const random = new Random(seed)
  let scene: Scene
  let before: Held

  beforeAll(async () => {
    scene = await Scene.open({ queues: 2 }, [], 2)
    await scene.serves()
    before = scene.held()
  })
  afterAll(async () => {
    await scene?.bystanders.stop()
    cleanup()
  })

  /** What a front-end may do while its rings run. Its memory may be gone: nothing here reads or writes it then. */
  function acts(guest: Station, front: Front): (() => void)[] {
    const { pair, memory } = guest
    const index = () => random.below(5)
    const eventfd = () => random.of(pair.lanes).kick
    const intact = (act: () => void) => () => {
      if (memory.regions.length === spans.length) act()
    }
    return [
      intact(() => guest.say(random.once(2) ? scene.bystanders.ends[0].mac : 'ff:ff:ff:ff:ff:ff', 0)),
      intact(() => pair.fill(random.below(8))),
      intact(() => pair.drain()),
      intact(() => pair.reclaim()),
      intact(() => {
        const lane = random.below(2)
        const { ring } = pair.lanes[lane]
        random.of([...crimes, ...short]).commit(ring, lane === 0 ? WRITE : 0, memory)
        ring.next &= 0xffff
        pair.lanes[lane].publish()
      }),
      intact(() => {
        const { ring } = random.of(pair.lanes)
        const { u16 } = random.of([ring.descriptors, ring.avail, ring.used])
        for (let n = random.below(20); n > 0; n--) u16[random.below(u16.length)] = random.word()
      }),
      () => native.doorbellRing(eventfd()),
      () => scene.bystanders.shout(),
      () => front.send(feature.SET_VRING_ENABLE, message.u32(index(), random.below(2))),
      () => front.send(feature.GET_VRING_BASE, message.u32(index(), 0)),
      () => front.send(feature.SET_VRING_BASE, message.u32(index(), random.below(65_536))),
      () => front.send(feature.SET_VRING_NUM, message.u32(index(), 1 << random.below(17))),
      () => front.send(feature.SET_VRING_KICK, message.u64(BigInt(index())), [eventfd()]),
      () => front.send(feature.SET_VRING_CALL, message.u64(BigInt(index())), [eventfd()]),
      intact(() => front.send(feature.SET_VRING_ADDR, message.addresses(index(), random.of(pair.lanes)))),
      () => front.send(feature.SET_STATUS, message.u64(BigInt(random.below(16)))),
      () =>
        front.send(
          feature.SET_MEM_TABLE,
          message.table(memory),
          memory.regions.map(({ fd }) => fd),
        ),
      intact(() => {
        if (random.once(4)) random.of(offences).commit(front, guest)
      }),
    ]
  }

  async function live(): Promise<void> {
    const guest = new Station(66, { spans, size: SIZE, protocol: random.once(2) ? ~0n : 0n })
    const front = await Front.meet(scene.path())
    const regions = [...guest.memory.regions]
    try {
      let steps = random.once(4) ? random.below(14) : 1000
      for await (const _ of front.steps(guest.wishes)) if (steps-- === 0) break
      const all = acts(guest, front)
      for (let n = random.below(ACTS); n > 0; n--) {
        random.of(all)()
        if (random.once(6)) await pause(0)
        if (!random.once(60)) continue
        regions[random.below(regions.length)].shrink(random.below(2) * 4096)
        guest.memory.regions.length = 0
      }
    } catch (error) {
      // Who lied to the switch about his rings is lied to himself, or shut out.
      if (
        !(
          error instanceof Gone ||
          /used names|bytes in a chain|buffers, of which|no room|no .* bytes left/.test(`${error}`)
        )
      )
        throw error
    } finally {
      front.vanish()
      discard()
      for (const lane of guest.pair.lanes) for (const fd of [lane.kick, lane.call]) native.descriptorClose(fd)
      for (const { fd } of regions) native.descriptorClose(fd)
    }
  }

  it(`${LIVES} of them`, { timeout: 200_000 }, async () => {
    for (let n = 0; n < LIVES; n++) {
      await live()
      if (n % 10 === 0) await scene.bystanders.pass(1)
    }
    await scene.serves()
    await eventually('descriptors and mappings are given back', () => {
      const { descriptors, guests } = scene.held()
      return descriptors <= before.descriptors && guests === before.guests
    }).catch(() => expect(scene.held()).toEqual(before))
    expect(scene.daemon.output).not.toMatch(/rror:/)
    expect(Object.keys((await scene.row()).socket.faults).length).toBeGreaterThan(4)
  })
})
