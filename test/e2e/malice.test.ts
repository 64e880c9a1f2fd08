/**
 * Front-ends that mean harm, before a real daemon: what they do has a name, their port is free again and nothing of theirs is kept, and
 * two bystanders who never stop to exchange frames lose none.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'
import { type Crime, crimes, SIZE, short, spans } from '../lab/virtio/crime.ts'
import { Front } from '../lab/virtio/front.ts'
import { discard, type Offence, offences } from '../lab/virtio/offence.ts'
import type { Lane } from '../lab/virtio/pair.ts'
import { WRITE } from '../lab/virtio/ring.ts'
import { type Held, type Scene, stage } from '../lab/virtio/scene.ts'
import { Station } from '../lab/virtio/station.ts'

suite('front-ends that mean harm', [], () => {
  let scene: Scene
  let before: Held

  stage((opened, held) => {
    scene = opened
    before = held
  })
  afterEach(discard)

  /** Nobody else noticed, and the port is as good as new. */
  async function survived(name: string, count: number): Promise<void> {
    await eventually(`a fault ${name}`, async () => (await scene.faults(name)) === count)
    await scene.alone()
    await scene.bystanders.pass()
  }

  describe('a ring with', () => {
    async function commit(crime: Crime, way: number): Promise<void> {
      const count = await scene.faults(crime.fault)
      const villain = new Station(66, { spans, size: SIZE })
      const front = await Front.meet(scene.path())
      await front.start(villain.wishes)
      const lane = villain.pair.lanes[way === WRITE ? 0 : 1] as Lane
      crime.commit(lane.ring, way, villain.memory)
      lane.ring.next &= 0xffff
      lane.publish()
      const shouting = way === WRITE ? setInterval(() => scene.bystanders.shout(), 10) : undefined
      await front.closed().finally(() => {
        clearInterval(shouting)
        front.vanish()
      })
      villain.close()
      await survived(crime.fault, count + 1)
    }

    it.each([...crimes, ...short])('$what, transmitted: $fault', (crime) => commit(crime, 0))
    it.each(crimes)('$what, received into: $fault', (crime) => commit(crime, WRITE))
  })

  describe('messages with', () => {
    async function commit({ stage, commit }: Offence): Promise<void> {
      const count = await scene.faults('protocol')
      const villain = new Station(66)
      const front = await Front.meet(scene.path())
      if (stage === 'agreed') for await (const _ of front.negotiate(villain.wishes));
      if (stage === 'running') await front.start(villain.wishes)
      front.protocol = 0n
      commit(front, villain)
      await front.closed().finally(() => front.vanish())
      villain.close()
      await survived('protocol', count + 1)
    }

    it.each(offences)('$what ($stage)', commit)
  })

  it('serves the next one as before, and has kept nothing', async () => {
    await scene.serves()
    await eventually('descriptors and mappings are given back', () => {
      const { descriptors, guests } = scene.held()
      return descriptors <= before.descriptors && guests === before.guests
    }).catch(() => expect(scene.held()).toEqual(before))
    expect(scene.daemon.output).not.toMatch(/rror:/)
  })

  it('has told of each by its name: in the metrics, in listings, and of the first ones in its log', async () => {
    const names = [...crimes, ...short].map(({ fault }) => fault)
    const expected = new Map<string, number>([['protocol', offences.length]])
    for (const name of [...names, ...crimes.map(({ fault }) => fault)])
      expected.set(name, (expected.get(name) ?? 0) + 1)
    const metrics = await scene.daemon.get('/metrics')
    for (const [name, count] of expected)
      expect(metrics).toContain(
        `bridgeport_port_faults_total{port="bad",network="lab",reason="${name}"} ${count}\n`,
      )
    expect((await scene.row()).socket.faults).toEqual(Object.fromEntries(expected))
    expect(scene.daemon.output).toContain('the avail index moved by more than the ring holds')
  })
})
