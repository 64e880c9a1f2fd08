/** What no front-end would say, and the words in which an operator hears of it. */
import { openSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import * as message from '../../src/vhost/message.ts'
import { House, play, say } from '../lab/virtio/house.ts'
import { table, u32, u64 } from '../lab/virtio/message.ts'
import { again } from '../lab/virtio/stage.ts'

const house = new House()

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
  ])('%s', async (line, why) => play(house.stage({ queues: 1 }), `${line} ! ${why}`))

  it('starts in the wrong order', async () => {
    const on = house.stage({ queues: 1 })
    await on.play('SET_VRING_NUM 0 256')
    await play(on, 'SET_VRING_KICK 0 ! vring 0 is started without addresses')
    await on.play('SET_VRING_ADDR 0')
    await play(
      on,
      'SET_VRING_KICK 0 ! vring 0 is started without memory that is shared (QEMU: memory-backend-memfd,share=on)',
    )
  })

  it('has descriptors that belong to nothing, or none where some belong', async () => {
    const on = house.stage()
    const fault = async (request: number, payload: Buffer, fds?: number[]) =>
      (await say(on, request, payload, fds)).fault
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
    const on = house.stage()
    const payload = Buffer.concat([u64(0n), u64(...region)])
    const outcome = await say(on, message.ADD_MEM_REG, payload, [again(on.memory.regions[0].fd)])
    expect(outcome.fault).toContain(why)
  })

  it('shares regions that overlap, too many, or what is no memory', async () => {
    const on = house.stage()
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
    const on = house.stage({ queues: 1 })
    await on.play('SET_MEM_TABLE\nSET_VRING_NUM 0 256')
    const [{ ring: own }] = on.pairs[0].lanes
    const areas = [own.descriptors, own.used, own.avail].map(({ address }) => on.memory.user(address))
    await say(on, message.SET_VRING_ADDR, Buffer.concat([u32(0, 0), u64(...move(areas), 0n)]))
    expect((await on.play('SET_VRING_KICK 0'))[0]).toContain(why)
  })
})
