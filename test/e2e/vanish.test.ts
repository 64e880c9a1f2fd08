/** Front-ends that go away at every step of their coming, ten thousand times: their port waits for the next one, and nothing of them is kept. */
import { expect, it } from 'vitest'
import { eventually } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'
import { crimes, SIZE, spans } from '../lab/virtio/crime.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Front } from '../lab/virtio/front.ts'
import * as message from '../lab/virtio/message.ts'
import { discard, offences } from '../lab/virtio/offence.ts'
import { type Held, type Scene, stage } from '../lab/virtio/scene.ts'
import { type Attachment, Station } from '../lab/virtio/station.ts'

const RECONNECTS = Number(process.env.RECONNECTS ?? 10_000)
const MEGABYTE = 2 ** 20
/**
 * Heaps grow and are collected: the least that is held in the second half of the time is compared with the least in the first, a warm-up
 * left out. Between two collections the heap of the control thread grows by up to 40 MB, in mappings of V8's own.
 */
const SAMPLES = 40
const GROWTH = 48 * MEGABYTE
const MAPPINGS = 200

const manners: Attachment[] = [
  { manner: 'qemu' },
  { manner: 'dpdk' },
  { manner: 'qemu', protocol: feature.PROTOCOL_MQ },
  { manner: 'dpdk', protocol: 0n },
  { protocol: feature.PROTOCOL_REPLY_ACK | feature.PROTOCOL_MEMORY_SLOTS, slots: true },
]

suite('front-ends that vanish', [], () => {
  let scene: Scene
  let before: Held

  stage((opened, held) => {
    scene = opened
    before = held
  })

  /** The switch's own API has a descriptor for a moment after it answered. */
  async function expectNothingKept(): Promise<void> {
    await eventually('descriptors and mappings are given back', () => {
      const { descriptors, guests } = scene.held()
      return descriptors <= before.descriptors && guests === before.guests
    }).catch(() => expect(scene.held()).toEqual(before))
  }

  it.each(manners)('after any step of %o', async (manner) => {
    const guest = new Station(66, { spans, ...manner })
    let stopped = true
    for (let last = 0; stopped; last++) {
      const front = await Front.meet(scene.path())
      let step = 0
      stopped = false
      for await (const _ of front.steps(guest.wishes)) {
        if (step++ < last) continue
        stopped = true
        break
      }
      front.vanish()
    }
    guest.close()
    await scene.serves()
    await expectNothingKept()
  })

  it('in the midst of a message', async () => {
    const guest = new Station(66, { spans })
    const fds = guest.memory.regions.map(({ fd }) => fd)
    const table = message.message(feature.SET_MEM_TABLE, message.table(guest.memory))
    for (const length of [1, 4, 11, 12, 13, 20, 50, table.length - 1, table.length]) {
      const front = await Front.meet(scene.path())
      front.raw(table.subarray(0, length), fds)
      front.vanish()
    }
    guest.close()
    await scene.serves()
    await expectNothingKept()
  })

  /** What a front-end does before it goes, by its number: most do next to nothing. */
  async function live(front: Front, number: number): Promise<void> {
    const [kind, count] = [number % 20, Math.floor(number / 20)]
    if (kind < 12) return
    const protocol = count % 4 === 0 ? ~0n : 0n
    const guest = new Station(66, { spans, size: SIZE, protocol })
    if (kind === 12) front.send(feature.GET_FEATURES)
    else if (kind === 13) for await (const _ of front.negotiate(guest.wishes));
    else if (kind < 17) await front.rush(guest.wishes, guest.pair.features & ~feature.MQ)
    else if (kind === 17) {
      offences[count % 20].commit(front, guest)
      await front.closed().finally(discard)
    } else {
      await front.start(guest.wishes)
      if (kind === 19) {
        crimes[count % crimes.length].commit(guest.pair.transmitter.ring, 0, guest.memory)
        guest.pair.transmitter.publish()
        await front.closed()
      }
    }
    guest.close()
  }

  it(`${RECONNECTS} times`, { timeout: 240_000 }, async () => {
    const samples: Held[] = []
    for (let number = 0; number < RECONNECTS; number++) {
      if (number % Math.ceil(RECONNECTS / SAMPLES) === 0) samples.push(scene.held())
      const front = await Front.meet(scene.path())
      await live(front, number).finally(() => front.vanish())
    }
    await scene.serves()
    await expectNothingKept()
    const least = (of: (held: Held) => number, from: number) =>
      Math.min(...samples.slice(from, from + 18).map(of))
    expect(least(({ rss }) => rss, 22) - least(({ rss }) => rss, 4)).toBeLessThan(GROWTH)
    expect(least(({ mappings }) => mappings, 22) - least(({ mappings }) => mappings, 4)).toBeLessThan(
      MAPPINGS,
    )
  })
})
