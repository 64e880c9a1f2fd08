/** What front-ends say, in the order in which QEMU 7.2, DPDK and Cloud Hypervisor say it, and what comes of it. */
import { describe, it } from 'vitest'
import { House, play } from '../lab/virtio/house.ts'

const house = new House()

describe('a front-end in order', () => {
  // As recorded with two pairs, of which the guest uses one; each pair is a device of its own to QEMU, which says what concerns both twice.
  it('QEMU 7.2', async () => {
    await play(
      house.stage(),
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
      house.stage({ queues: 1 }),
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

  it('Cloud Hypervisor: it wants to hear of everything, counts rings, and wants memory for what is under way', async () => {
    await play(
      house.stage(),
      `
      GET_FEATURES = all
      SET_OWNER
      GET_PROTOCOL_FEATURES = 0x1b039
      SET_PROTOCOL_FEATURES 0x9009
      GET_QUEUE_NUM ? = 4
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
      house.stage({ queues: 1 }),
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
