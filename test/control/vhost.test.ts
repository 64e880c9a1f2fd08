/** The line of a vhost-user port, before a berth that notes what it is asked for. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import type { Berth } from '../../src/control/berth.ts'
import { VhostLine } from '../../src/control/vhost.ts'
import type { Device } from '../../src/port/device.ts'
import { ADDRESS_RANGE } from '../../src/vhost/fault.ts'
import type { FrontProgram } from '../../src/vhost/front.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Front } from '../lab/virtio/front.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { u64 } from '../lab/virtio/message.ts'
import { Pair } from '../lab/virtio/pair.ts'
import { shown } from '../lab/virtio/stage.ts'

suite('the line of a vhost-user port', [], () => {
  const path = join(folder('line'), 'vm.sock')
  let done: string[] = []
  let line: VhostLine
  let memory: Memory
  let pairs: Pair[] = []
  let isHere = true

  const note = (text: string) => void done.push(text)
  const berth = {
    spec: {
      ...{
        name: 'vm',
        path,
        role: 'server',
        mode: 0o600,
        owner: null,
        queues: 1,
        mtu: 1400,
        networkMtu: 1500,
      },
      offload: true,
    },
    log: { info: (_: object, text: string) => note(text), warn: (_: object, text: string) => note(text) },
    attach: async ({ fds, offloads }: Device) => {
      note(`attach ${fds} ${offloads}`)
      return isHere
    },
    detach: async (why: string) => note(`detach: ${why}`),
    say: (reason: string) => note(`state: ${reason}`),
    offer: async (offloads: number) => note(`offer ${offloads}`),
    seat: async (front: FrontProgram | null) => note(`seat ${shown(front)}`),
    next: () => 3,
  }

  beforeEach(() => {
    done = []
    isHere = true
    memory = new Memory()
    pairs = [new Pair(memory)]
    line = new VhostLine(berth as unknown as Berth)
    expect(line.open()).toBeNull()
  })
  afterEach(() => {
    line.close()
    expect(existsSync(path)).toBe(false)
    for (const pair of pairs) pair.close()
    memory.close()
  })
  afterAll(cleanup)

  const saw = (text: string) => eventually(text, async () => done.includes(text))

  it('has a guest whose driver begins, changes its mind, stops, and goes', async () => {
    const front = Front.connect(path)
    await saw('state: a guest is connected, and its driver does not run')
    await front.start({ memory, pairs })
    expect(line.told()).toMatchObject({ guest: { queues: 1, mtu: 0 }, faults: {}, fault: '' })
    expect(line.told().guest?.features).toContain('guest_tso4')
    await front.tell(feature.SET_FEATURES, u64(feature.VERSION_1 | feature.PROTOCOL))
    await front.tell(feature.NET_SET_MTU, u64(1400n))
    expect(line.told().guest).toEqual({ queues: 1, mtu: 1400, features: ['version_1'] })
    expect(await front.stop(0)).toBe(3)
    expect(await front.stop(1)).toBe(3)
    front.vanish()
    await saw('state: no guest is connected')
    const idle = 'state: a guest is connected, and its driver does not run'
    expect(done).toEqual([
      ...[idle, 'attach -1 7', 'seat 256@0+/-', 'state: ', 'seat 256@0+/256@0+', 'state: '],
      ...['seat nothing', idle, 'offer 0', 'seat 256@0+/256@0+', 'state: ', 'seat -/256@0+', 'state: '],
      ...['seat nothing', idle, 'detach: the guest is gone', 'state: no guest is connected'],
    ])
    expect(line.told().guest).toBeNull()
  })

  it('disconnects who says something wrong, counts it and takes the next one', async () => {
    for (let count = 1; count <= 3; count++) {
      const front = Front.connect(path)
      front.send(feature.SET_STATUS, u64(256n))
      await front.closed()
      front.vanish()
      await eventually('it is counted', async () => line.told().faults.protocol === count)
      expect(line.told().fault).toBe('device status 256')
    }
    expect(done).toContain('the guest is disconnected: device status 256')
    await saw('detach: the guest was disconnected')
  })

  it('disconnects whose rings a worker found broken, once', async () => {
    const front = Front.connect(path)
    await front.start({ memory, pairs })
    line.broken(ADDRESS_RANGE)
    line.broken(ADDRESS_RANGE)
    await front.closed()
    front.vanish()
    await saw('state: no guest is connected')
    expect(line.told().faults).toEqual({ address_range: 1 })
    expect(line.told().fault).toMatch(/outside the memory/)
    expect(done.filter((text) => text === 'seat nothing')).toHaveLength(1)
    line.broken(ADDRESS_RANGE)
    const next = Front.connect(path)
    await next.start({ memory, pairs })
    next.vanish()
  })

  it('that is closed asks nothing of workers any more, and blames nobody', async () => {
    const front = Front.connect(path)
    await front.start({ memory, pairs })
    const count = done.length
    line.close()
    await front.closed()
    front.vanish()
    expect(done).toHaveLength(count)
    expect(line.told().faults).toEqual({})
  })

  it('of a port that went before its guest came lets him go', async () => {
    isHere = false
    const front = Front.connect(path)
    const started = front.start({ memory, pairs })
    await expect(started).rejects.toThrow()
    front.vanish()
    await saw('the guest is disconnected: the port was removed')
  })
})
