/** What front-ends say, in the order in which QEMU 7.2, DPDK and Cloud Hypervisor say it, and what comes of it; what none of them would say. */
import { closeSync, openSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import * as feature from '../../src/vhost/feature.ts'
import * as message from '../../src/vhost/message.ts'
import type { Terms } from '../../src/vhost/session.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { table, u32, u64 } from '../lab/virtio/message.ts'
import { again, holdings, Stage } from '../lab/virtio/stage.ts'

let before = holdings()
const stages: Stage[] = []

function stage(terms: Partial<Terms> = {}, memory?: Memory): Stage {
  const made = new Stage(terms, memory)
  stages.push(made)
  return made
}

/** Plays a text and expects exactly what stands in it. */
async function play(on: Stage, text: string): Promise<void> {
  const expected = text.split('\n').map((line) => line.trim().replace(/\s+/g, ' '))
  expect(await on.play(text)).toEqual(expected.filter((line) => line !== ''))
}

/** Everything until both rings of a pair run. */
async function run(on: Stage, features: bigint = feature.offered(2, true)): Promise<void> {
  await on.play(`
    SET_FEATURES ${features}
    SET_MEM_TABLE
    ${[0, 1].map(ring).join('\n')}`)
}

function ring(index: number): string {
  return `
    SET_VRING_NUM ${index} 256
    SET_VRING_ADDR ${index}
    SET_VRING_CALL ${index}
    SET_VRING_KICK ${index}
    SET_VRING_ENABLE ${index} 1`
}

beforeEach(() => {
  before = holdings()
})

afterEach(async () => {
  for (const each of stages.splice(0)) await each.close()
  expect(holdings()).toEqual(before)
})

describe('a front-end in order', () => {
  // As recorded with two pairs, of which the guest uses one; each pair is a device of its own to QEMU, which says what concerns both twice.
  it('QEMU 7.2', async () => {
    await play(
      stage(),
      `
      GET_FEATURES = all
      GET_PROTOCOL_FEATURES = 0x1b039
      SET_PROTOCOL_FEATURES 0x1b039
      GET_QUEUE_NUM = 2
      GET_MAX_MEM_SLOTS = 509
      SET_BACKEND_REQ_FD ? = 0
      SET_OWNER
      GET_FEATURES = all
      SET_VRING_CALL 0
      SET_VRING_ERR 0
      SET_VRING_CALL 1
      SET_VRING_ERR 1
      GET_FEATURES = all
      GET_PROTOCOL_FEATURES = 0x1b039
      SET_PROTOCOL_FEATURES 0x1b039
      GET_MAX_MEM_SLOTS = 509
      SET_VRING_CALL 2
      SET_VRING_ERR 2
      SET_VRING_CALL 3
      SET_VRING_ERR 3
      SET_VRING_ENABLE 0 1
      SET_VRING_ENABLE 1 1
      SET_VRING_ENABLE 2 0
      SET_VRING_ENABLE 3 0
      NET_SET_MTU 1400 ? = 0
      SET_FEATURES 0x17060bb83
      GET_STATUS = 0
      SET_STATUS 8
      ADD_MEM_REG 0 ? = 0
      SET_VRING_NUM 0 256
      SET_VRING_BASE 0 0
      SET_VRING_ADDR 0
      SET_VRING_KICK 0 : 256@0+/- -/-
      SET_VRING_CALL 0 : 256@0+/- -/-
      SET_VRING_NUM 1 256
      SET_VRING_BASE 1 0
      SET_VRING_ADDR 1
      SET_VRING_KICK 1 : 256@0+/256@0+ -/-
      SET_VRING_CALL 1 : 256@0+/256@0+ -/-
      SET_FEATURES 0x17060bb83
      GET_STATUS = 8
      ADD_MEM_REG 0 ? = 0
      SET_VRING_NUM 2 256
      SET_VRING_ADDR 2
      SET_VRING_KICK 2 : 256@0+/256@0+ 256@0/-
      SET_VRING_NUM 3 256
      SET_VRING_ADDR 3
      SET_VRING_KICK 3 : 256@0+/256@0+ 256@0/256@0
      GET_STATUS = 8
      SET_STATUS 15
      SET_VRING_ENABLE 0 1
      GET_VRING_BASE 0 0 = 0 100 : -/256@0+ 256@0/256@0
      GET_VRING_BASE 1 0 = 1 101 : -/- 256@0/256@0
      SET_STATUS 0 : nothing
      GET_VRING_BASE 2 0 = 2 102
      GET_VRING_BASE 3 0 = 3 103
      GET_STATUS = 0
      SET_VRING_NUM 0 256
      SET_VRING_BASE 0 0
      SET_VRING_ADDR 0
      SET_VRING_KICK 0 : 256@0+/- -/-
    `,
    )
  })

  it('DPDK: its rings get their call before there are any, and no doorbell says so', async () => {
    await play(
      stage({ queues: 1 }),
      `
      SET_OWNER
      GET_FEATURES = all
      GET_PROTOCOL_FEATURES = 0x1b039
      SET_PROTOCOL_FEATURES 0x10009
      SET_VRING_CALL 0
      SET_VRING_CALL 1 none
      SET_FEATURES 0x950048000
      SET_STATUS 11 ? = 0
      GET_STATUS = 11
      SET_MEM_TABLE ? = 0
      SET_VRING_NUM 0 256
      SET_VRING_BASE 0 0
      SET_VRING_ADDR 0
      SET_VRING_KICK 0 : 256@0/-
      SET_VRING_NUM 1 256
      SET_VRING_BASE 1 0
      SET_VRING_ADDR 1
      SET_VRING_KICK 1 none : 256@0/256@0
      SET_VRING_ENABLE 0 1 : 256@0+/256@0
      SET_VRING_ENABLE 1 1 : 256@0+/256@0+
      SET_STATUS 15 ? = 0
      SET_VRING_ENABLE 0 0 : 256@0/256@0+
      SET_VRING_ENABLE 1 0 : 256@0/256@0
      GET_VRING_BASE 0 0 = 0 100 : -/256@0
      GET_VRING_BASE 1 100 = 1 101 : nothing
    `,
    )
  })

  it('Cloud Hypervisor: it wants to hear of everything, and memory for what is under way', async () => {
    await play(
      stage(),
      `
      GET_FEATURES = all
      SET_OWNER
      GET_PROTOCOL_FEATURES = 0x1b039
      SET_PROTOCOL_FEATURES 0x9009
      GET_QUEUE_NUM ? = 2
      SET_FEATURES 0x170608000 ? = 0
      SET_MEM_TABLE ? = 0
      SET_VRING_NUM 0 256 ? = 0
      SET_VRING_NUM 1 256 ? = 0
      GET_INFLIGHT_FD 2 256 ? = 8320 0 2 256
      SET_INFLIGHT_FD 2 256 ? = 0
      SET_VRING_ADDR 0 ? = 0
      SET_VRING_BASE 0 0 ? = 0
      SET_VRING_CALL 0 ? = 0
      SET_VRING_KICK 0 ? = 0 : 256@0/- -/-
      SET_VRING_ADDR 1 ? = 0
      SET_VRING_BASE 1 0 ? = 0
      SET_VRING_CALL 1 ? = 0
      SET_VRING_KICK 1 ? = 0 : 256@0/256@0 -/-
      SET_VRING_ENABLE 0 1 ? = 0 : 256@0+/256@0 -/-
      SET_VRING_ENABLE 1 1 ? = 0 : 256@0+/256@0+ -/-
      SET_VRING_ENABLE 0 0 ? = 0 : 256@0/256@0+ -/-
      GET_VRING_BASE 0 0 ? = 0 100 : -/256@0+ -/-
    `,
    )
  })

  it('of before features of the protocol: rings are enabled when they start', async () => {
    await play(
      stage({ queues: 1 }),
      `
      SET_OWNER
      GET_FEATURES = all
      SET_FEATURES 0x8000
      SET_MEM_TABLE
      SET_VRING_NUM 0 256
      SET_VRING_ADDR 0
      SET_VRING_KICK 0 : 256@0+/-
      RESET_OWNER
      GET_VRING_BASE 0 0 = 0 100 : nothing
    `,
    )
  })
})

describe('a ring', () => {
  it('goes on behind what its driver was told to be used, whatever base it is given', async () => {
    const on = stage({ queues: 1 })
    on.pairs[0].receiver.ring.used.u16[1] = 65530
    await on.play('SET_MEM_TABLE\nSET_VRING_NUM 0 256\nSET_VRING_ADDR 0\nSET_VRING_BASE 0 12')
    await play(on, 'SET_VRING_KICK 0 : 65530'.replace('65530', '256@65530+/-'))
  })

  it('that is placed elsewhere, resized or rebased starts again where it stopped', async () => {
    const on = stage({ queues: 1 })
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
    const on = stage({ queues: 1 })
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
    const on = stage({ queues: 1 }, memory)
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
    const on = stage({ queues: 1 })
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
    const on = stage({ queues: 1 })
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
    const on = stage({ mtu: 1400 })
    await play(on, 'NET_SET_MTU 1400 ? = 0\nNET_SET_MTU 1401 ? = 1\nNET_SET_MTU 67 ? = 1\nNET_SET_MTU 9000')
    expect(on.session.mtu).toBe(1400)
  })
  it('on a dirty log is refused, and nothing else happens', async () => {
    await play(stage(), 'SET_LOG_BASE ? = 1\nSET_LOG_FD ? = 1\nSEND_RARP 5 ? = 1\nSET_LOG_BASE')
  })
  it('on memory under way holds what each ring may have', async () => {
    await play(stage(), 'GET_INFLIGHT_FD 4 32768 = 2097408 0 4 32768\nGET_INFLIGHT_FD 0 0 = 64 0 0 0')
  })
  it('ends with RESET_DEVICE, and memory stays', async () => {
    const on = stage({ queues: 1 })
    await run(on)
    await play(on, `RESET_DEVICE ? = 0 : nothing\nGET_VRING_BASE 1 0 = 1 101\nSET_VRING_KICK 0 : 256@0+/-`)
  })
})

function say(on: Stage, request: number, payload: Buffer, fds: number[] = []) {
  return on.session.handle({ request, flags: 1, payload, fds })
}

describe('a front-end that breaks the rules is told apart', () => {
  it.each([
    ['SET_FEATURES 0x400000000', 'features that were not offered: 0x400000000'],
    ['SET_FEATURES 0x4000000', 'features that were not offered: 0x4000000'],
    ['SET_PROTOCOL_FEATURES 2', 'features that were not offered: 0x2 of the protocol'],
    ['SET_VRING_NUM 0 0', 'vring 0 with 0 entries'],
    ['SET_VRING_NUM 0 3', 'vring 0 with 3 entries'],
    ['SET_VRING_NUM 0 65536', 'vring 0 with 65536 entries'],
    ['SET_VRING_NUM 0 4294967295', 'vring 0 with 4294967295 entries'],
    ['SET_VRING_NUM 2 256', 'vring 2 is wanted, and the port has one pair of queues'],
    ['SET_VRING_NUM 4294967295 256', 'vring 4294967295 is wanted, and the port has one pair of queues'],
    ['SET_VRING_BASE 0 65536', 'vring 0 from entry 65536'],
    ['SET_VRING_ENABLE 0 2', 'vring 0 is enabled with 2'],
    ['SET_VRING_ENABLE 255 1', 'vring 255 is wanted, and the port has one pair of queues'],
    ['GET_VRING_BASE 7 0', 'vring 7 is wanted, and the port has one pair of queues'],
    ['SET_VRING_CALL 9', 'vring 9 is wanted, and the port has one pair of queues'],
    ['SET_VRING_KICK 0', 'vring 0 is started without a size'],
    ['SET_STATUS 256', 'device status 256'],
    ['GET_INFLIGHT_FD 3 256', 'GET_INFLIGHT_FD for 3 vrings'],
    ['REM_MEM_REG 0', 'no region at 0x0 is there to be removed'],
  ])('%s', async (line, why) => play(stage({ queues: 1 }), `${line} ! ${why}`))

  it('starts in the wrong order', async () => {
    const on = stage({ queues: 1 })
    await on.play('SET_VRING_NUM 0 256')
    await play(on, 'SET_VRING_KICK 0 ! vring 0 is started without addresses')
    await on.play('SET_VRING_ADDR 0')
    await play(on, 'SET_VRING_KICK 0 ! vring 0 is started without memory')
  })

  it('has descriptors that belong to nothing, or none where some belong', async () => {
    const on = stage()
    const fault = async (...given: Parameters<typeof say> extends [Stage, ...infer R] ? R : never) =>
      (await say(on, ...given)).fault
    expect(await fault(message.GET_FEATURES, Buffer.alloc(0), [native.doorbellCreate()])).toMatch(
      /with 1 desc/,
    )
    expect(await fault(message.ADD_MEM_REG, Buffer.alloc(40))).toMatch(/with 0 descriptors/)
    expect(await fault(message.SET_MEM_TABLE, table(on.memory))).toMatch(/1 regions and 0 descriptors/)
    const kick = [native.doorbellCreate()]
    expect(await fault(message.SET_VRING_KICK, u64(0x100n), kick)).toMatch(/says something else/)
    expect(await fault(message.SET_VRING_CALL, u64(0n))).toMatch(/says something else/)
    const file = [openSync('/dev/null', 'r+')]
    expect(await fault(message.SET_VRING_CALL, u64(0n), file)).toBe(
      'SET_VRING_CALL with a descriptor that is no eventfd',
    )
  })

  it.each<[string, bigint[], string]>([
    ['empty', [0n, 0n, 0n, 0n], 'a region of memory is empty'],
    ['longer than its file', [0n, 2n ** 30n, 0n, 0n], '1073741824 bytes at 0x0 is longer than its file'],
    ['behind its file', [0n, 4096n, 0n, 2n ** 40n], '4096 bytes at 0x0 is longer than its file'],
    ['endless', [0n, 2n ** 64n - 1n, 0n, 0n], 'are too many'],
    ['at the end of all addresses', [2n ** 64n - 4096n, 8192n, 0n, 0n], 'end behind the last address'],
    ['at the end of the front-end’s', [0n, 8192n, 2n ** 64n - 1n, 0n], 'end behind the last address'],
    ['at an offset that wraps', [0n, 8192n, 0n, 2n ** 64n - 4096n], 'are too many'],
  ])('shares memory that is %s', async (_, region, why) => {
    const on = stage()
    const payload = Buffer.concat([u64(0n), u64(...region)])
    const outcome = await say(on, message.ADD_MEM_REG, payload, [again(on.memory.regions[0].fd)])
    expect(outcome.fault).toContain(why)
  })

  it('shares regions that overlap, too many, or what is no memory', async () => {
    const on = stage()
    const [{ fd }] = on.memory.regions
    const one = u64(0n, 8192n, 0n, 0n)
    const two = u64(4096n, 8192n, 0x10000n, 8192n)
    const payload = Buffer.concat([u32(2, 0), one, two])
    const outcome = await say(on, message.SET_MEM_TABLE, payload, [again(fd), again(fd)])
    expect(outcome.fault).toBe('the table of memory has regions that overlap')
    const bell = await say(on, message.ADD_MEM_REG, Buffer.concat([u64(0n), one]), [native.doorbellCreate()])
    expect(bell.fault).toBe('8192 bytes at 0x0 is no file')
    const lie = await say(on, message.SET_MEM_TABLE, Buffer.concat([u32(3, 0), one, two]), [again(fd)])
    expect(lie.fault).toBe('SET_MEM_TABLE with fewer or more regions than it says')
    for (let i = 0; i < 509; i++) {
      const region = u64(BigInt(i) * 4096n, 4096n, BigInt(i) * 4096n, 0n)
      expect((await say(on, message.ADD_MEM_REG, Buffer.concat([u64(0n), region]), [again(fd)])).fault).toBe(
        '',
      )
    }
    const last = u64(2n ** 40n, 4096n, 2n ** 40n, 0n)
    const more = await say(on, message.ADD_MEM_REG, Buffer.concat([u64(0n), last]), [again(fd)])
    expect(more.fault).toBe('more than 509 regions of memory')
  })

  it.each<[string, (areas: bigint[]) => bigint[], string]>([
    ['descriptors at an odd place', ([d, u, a]) => [d + 8n, u, a], 'with its descriptors at'],
    ['used ring at an odd place', ([d, u, a]) => [d, u + 2n, a], 'which 4 does not divide'],
    ['avail ring at an odd place', ([d, u, a]) => [d, u, a + 1n], 'which 2 does not divide'],
    ['descriptors nowhere', ([, u, a]) => [0n, u, a], 'with its descriptors outside the guest'],
    ['used ring at the end', ([d, , a]) => [d, 0x5500_0200_0000n - 4n, a], 'with its used ring outside'],
    ['avail ring at the end of all', ([d, u]) => [d, u, 2n ** 64n - 2n], 'with its avail ring outside'],
    ['avail among descriptors', ([d, u]) => [d, u, d + 16n], 'with areas that overlap'],
    ['used ring upon avail', ([d, , a]) => [d, a + 4n - (a % 4n), a], 'with areas that overlap'],
    ['all at once', ([d]) => [d, d, d], 'with areas that overlap'],
  ])('starts a ring with its %s', async (_, move, why) => {
    const on = stage({ queues: 1 })
    await on.play('SET_MEM_TABLE\nSET_VRING_NUM 0 256')
    const [{ ring: own }] = on.pairs[0].lanes
    const areas = [own.descriptors, own.used, own.avail].map(({ address }) => on.memory.user(address))
    await say(on, message.SET_VRING_ADDR, Buffer.concat([u32(0, 0), u64(...move(areas), 0n)]))
    expect((await on.play('SET_VRING_KICK 0'))[0]).toContain(why)
  })
})

describe('whatever happens', () => {
  it('the fault of a worker ends the session', async () => {
    const on = stage({ queues: 1 })
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
      expect(holdings()).toEqual(before)
    }
  })

  it('an answer’s descriptor is the sender’s', async () => {
    const on = stage()
    const payload = message.inflightPayload({ length: 0n, offset: 0n, queues: 1, size: 256 }, 20)
    const { fds, answer } = await say(on, message.GET_INFLIGHT_FD, payload)
    expect(fds).toHaveLength(1)
    expect(answer).toHaveLength(32)
    for (const fd of fds) closeSync(fd)
  })
})
