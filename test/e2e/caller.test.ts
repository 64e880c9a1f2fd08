/** A switch that connects to its front-end (`role: client`): whoever listens there may mean harm as well as whoever comes, and the switch calls again. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Front, readable } from '../lab/virtio/front.ts'
import { discard, offences } from '../lab/virtio/offence.ts'
import { Scene } from '../lab/virtio/scene.ts'
import { Station } from '../lab/virtio/station.ts'

suite('a switch that calls its front-end', [], () => {
  let scene: Scene
  let listener = -1

  beforeAll(async () => {
    scene = await Scene.open({ role: 'client' })
    listener = native.unixListen({ path: scene.path(), kind: 'stream', mode: 0o600, owner: -1 })
  })
  afterAll(async () => {
    native.descriptorClose(listener)
    await scene?.bystanders.stop()
    cleanup()
  })

  async function called(): Promise<Front> {
    await readable(listener)
    return new Front(native.unixAccept(listener))
  }

  it('calls again when it is hung up on, and not faster than once a second', async () => {
    const times: number[] = []
    for (let i = 0; i < 6; i++) {
      const front = await called()
      times.push(Date.now())
      front.vanish()
    }
    // A busy machine notes a call late, and finds the next one early.
    expect(times[5] - times[0]).toBeGreaterThan(5 * 950)
    await scene.bystanders.pass()
  })

  it.each(offences.filter(({ stage }) => stage === 'fresh').slice(0, 3))(
    'disconnects for $what',
    async ({ commit }) => {
      const count = await scene.faults('protocol')
      const [guest, front] = [new Station(66), await called()]
      commit(front, guest)
      await front.closed()
      front.vanish()
      guest.close()
      discard()
      expect(await scene.faults('protocol')).toBe(count + 1)
    },
  )

  it('goes on with a guest whose front-end listens anew, in a second process as it were', async () => {
    const guest = new Station(9)
    const [one] = scene.bystanders.ends
    guest.pair.fill()
    for (let round = 0; round < 2; round++) {
      guest.front = await called()
      await guest.front.start(guest.wishes)
      guest.say(one.mac, 0)
      one.say(guest.mac, 0)
      await eventually('a frame for the guest', () => guest.heard(one.mac).length > 0)
      guest.detach()
      native.descriptorClose(listener)
      listener = native.unixListen({ path: scene.path(), kind: 'stream', mode: 0o600, owner: -1 })
    }
    guest.close()
    expect((await scene.row()).socket.faults.protocol).toBe(3)
  })

  it('waits for whoever does not listen, and says so', async () => {
    native.descriptorClose(listener)
    const text = async () => (await scene.row()).reason
    await eventually('nobody is there', async () => /no guest is connected/.test(await text()))
    listener = native.unixListen({ path: scene.path(), kind: 'stream', mode: 0o600, owner: -1 })
    const front = await called()
    expect((await front.ask(feature.GET_FEATURES)).payload.length).toBe(8)
    front.vanish()
  })
})
