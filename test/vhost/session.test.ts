/** A session: its rings, what is agreed on, and how it ends. */
import { closeSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as feature from '../../src/vhost/feature.ts'
import * as message from '../../src/vhost/message.ts'
import { House, play, ring, run, say } from '../lab/virtio/house.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { u32, u64 } from '../lab/virtio/message.ts'
import { holdings, Stage } from '../lab/virtio/stage.ts'

const house = new House()

describe('a ring', () => {
  it('goes on behind what its driver was told to be used, whatever base it is given', async () => {
    const on = house.stage({ queues: 1 })
    on.pairs[0].receiver.ring.used.u16[1] = 65530
    await on.play('SET_MEM_TABLE\nSET_VRING_NUM 0 256\nSET_VRING_ADDR 0\nSET_VRING_BASE 0 12')
    await play(on, 'SET_VRING_KICK 0 : 65530'.replace('65530', '256@65530+/-'))
  })

  it('that is placed elsewhere, resized or rebased starts again where it stopped', async () => {
    const on = house.stage({ queues: 1 })
    await run(on)
    const { used } = on.pairs[0].receiver.ring
    for (const [i, line] of ['SET_VRING_ADDR 0', 'SET_VRING_NUM 0 128', 'SET_VRING_BASE 0 9'].entries()) {
      used.u16[1] = 7 + i
      const size = i === 0 ? 256 : 128
      await play(on, `${line} : -/256@0+ : ${size}@${7 + i}+/256@0+`)
    }
    expect(on.fronts.at(-1)?.pairs[0].receive?.generation).toBeGreaterThan(
      on.fronts.at(1)?.pairs[0].receive?.generation ?? 0,
    )
  })

  it('keeps its start when its doorbells, its state or the memory change', async () => {
    const on = house.stage({ queues: 1 })
    await run(on)
    const first = on.fronts.at(-1)!
    await play(
      on,
      `
      SET_VRING_CALL 0 : 256@0+/256@0+
      SET_VRING_CALL 0 none : 256@0+/256@0+
      SET_VRING_ENABLE 1 0 : 256@0+/256@0
      SET_MEM_TABLE : 256@0+/256@0
      SET_MEM_TABLE ? = 0 : 256@0+/256@0
    `,
    )
    const last = on.fronts.at(-1)!
    expect(last.pairs[0].receive?.generation).toBe(first.pairs[0].receive?.generation)
    expect(last.pairs[0].receive?.call).toBe(-1)
    expect(holdings()).toMatchObject({ mappings: 1, tables: 1 })
  })

  it('waits while its memory is away, and goes on where it stopped', async () => {
    const memory = new Memory([
      { guest: 0n, length: 2 ** 21 },
      { guest: 0x1_0000_0000n, length: 2 ** 21, offset: 4096 },
    ])
    const on = house.stage({ queues: 1 }, memory)
    await on.play(`ADD_MEM_REG 0\nADD_MEM_REG 1\n${ring(0)}\n${ring(1)}`)
    on.pairs[0].receiver.ring.used.u16[1] = 5
    await play(
      on,
      `
      REM_MEM_REG 1 : 256@0+/256@0+
      REM_MEM_REG 0 : nothing
      ADD_MEM_REG 1 ? = 0
      ADD_MEM_REG 0 ? = 0 : 256@5+/256@0+
    `,
    )
  })

  it('is told of features when it starts', async () => {
    const on = house.stage({ queues: 1 })
    await run(on, feature.PROTOCOL_FEATURES)
    expect(on.fronts.at(-1)).toMatchObject({ headerLength: 10, mergeable: false, eventIndex: false })
    const more = feature.PROTOCOL_FEATURES | feature.MRG_RXBUF | feature.EVENT_IDX | feature.VERSION_1
    await play(on, `SET_FEATURES ${more} : nothing : 256@0+/256@0+`)
    expect(on.fronts.at(-1)).toMatchObject({ headerLength: 12, mergeable: true, eventIndex: true })
    expect(on.features).toBe(more)
    expect(on.session.features).toEqual(['mrg_rxbuf', 'event_idx', 'version_1'])
    expect(on.session.running).toBe(1)
  })

  it('of any size that virtio allows runs', async () => {
    const on = house.stage({ queues: 1 })
    await on.play('SET_MEM_TABLE')
    for (const size of [1, 2, 256]) {
      const [{ ring: own }] = on.pairs[0].lanes
      const areas = [own.descriptors, own.used, own.avail].map(({ address }) => on.memory.user(address))
      await say(on, message.SET_VRING_NUM, u32(0, size))
      await say(on, message.SET_VRING_ADDR, Buffer.concat([u32(0, 0), u64(...areas, 0n)]))
      expect(await on.play('SET_VRING_KICK 0')).toEqual([expect.stringContaining(`${size}@0`)])
    }
  })
})

describe('an agreement', () => {
  it('on the MTU is one up to the network’s', async () => {
    const on = house.stage({ mtu: 1400 })
    await play(on, 'NET_SET_MTU 1400 ? = 0\nNET_SET_MTU 1401 ? = 1\nNET_SET_MTU 67 ? = 1\nNET_SET_MTU 9000')
    expect(on.session.mtu).toBe(1400)
  })
  it('on a dirty log is refused, and nothing else happens', async () => {
    await play(house.stage(), 'SET_LOG_BASE ? = 1\nSET_LOG_FD ? = 1\nSEND_RARP 5 ? = 1\nSET_LOG_BASE')
  })
  it('on memory under way holds what each ring may have', async () => {
    await play(house.stage(), 'GET_INFLIGHT_FD 4 32768 = 2097408 0 4 32768\nGET_INFLIGHT_FD 0 0 = 64 0 0 0')
  })
  it('ends with RESET_DEVICE, and memory stays', async () => {
    const on = house.stage({ queues: 1 })
    await run(on)
    await play(on, `RESET_DEVICE ? = 0 : nothing\nGET_VRING_BASE 1 0 = 1 101\nSET_VRING_KICK 0 : 256@0+/-`)
  })
})

describe('whatever happens', () => {
  it('the fault of a worker ends the session', async () => {
    const on = house.stage({ queues: 1 })
    await run(on)
    on.broken = true
    await play(on, 'GET_VRING_BASE 0 0 ! a worker is gone')
  })

  it('everything is given back where a session ends in the middle', async () => {
    const whole = `
      SET_FEATURES ${feature.offered(1, true)}
      SET_BACKEND_REQ_FD
      SET_MEM_TABLE
      ${ring(0)}
      ${ring(1)}
      SET_MEM_TABLE
      SET_VRING_KICK 1
      GET_VRING_BASE 0 0`
    const lines = whole.split('\n').filter((line) => line.trim() !== '')
    for (let count = 0; count <= lines.length; count++) {
      const on = new Stage({ queues: 1 })
      await on.play(lines.slice(0, count).join('\n'))
      await on.close()
      expect(on.fronts.at(-1) ?? null).toBeNull()
      house.empty()
    }
  })

  it('an answer’s descriptor is the sender’s', async () => {
    const on = house.stage()
    const payload = message.inflightPayload({ length: 0n, offset: 0n, queues: 1, size: 256 }, 20)
    const { fds, answer } = await say(on, message.GET_INFLIGHT_FD, payload)
    expect(fds).toHaveLength(1)
    expect(answer).toHaveLength(32)
    for (const fd of fds) closeSync(fd)
  })
})
