/** Queues over real devices: the other end is the kernel's own stack in a namespace, which answers ARP and ping. */
import { afterAll, beforeEach, expect, it } from 'vitest'
import { DROPS, rowOf } from '../../src/memory/counters.ts'
import { native } from '../../src/memory/native.ts'
import * as reason from '../../src/pipeline/reason.ts'
import { DescriptorQueue, PACKET, type Queue, TAP } from '../../src/port/queue.ts'
import { TunQueue } from '../../src/port/tun.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { attempt, eventually } from '../lab/command.ts'
import { Desk } from '../lab/desk.ts'
import { arp, broadcast, ethernet, ip, ipv4, join, mac, numbered, sum, u16, vnet } from '../lab/frame.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import type { Sent } from '../lab/rig.ts'

const kernel = { mac: '02:00:00:00:00:01', ip: '192.0.2.1' }
const peer = { mac: '02:00:00:00:00:02', ip: '192.0.2.2' }
const EINVAL = 22
const EBADFD = 77
const desk = new Desk()

const who = arp(1, [peer.mac, peer.ip], ['00:00:00:00:00:00', kernel.ip])
const question = ethernet(broadcast, peer.mac, 0x0806, who)
const reply = ethernet(peer.mac, kernel.mac, 0x0806, arp(2, [kernel.mac, kernel.ip], [peer.mac, peer.ip]))

function echo(type: number, from = peer, to = kernel): Uint8Array {
  const body = join([type, 0, 0, 0], u16(7), u16(1), [1, 2, 3, 4])
  body.set(u16(~sum(body)), 2)
  return ethernet(to.mac, from.mac, 0x0800, ipv4({ source: from.ip, destination: to.ip, protocol: 1 }, body))
}

/** What comes until `wanted` is among it. */
async function until(queue: Queue, wanted: (frame: Uint8Array) => boolean): Promise<Sent> {
  return eventually('the frame', () => {
    const got = desk.receive(queue)
    return typeof got === 'number' ? null : (got.find(({ frame }) => wanted(frame)) ?? null)
  }) as Promise<Sent>
}

const isReply = (frame: Uint8Array) => Buffer.from(frame.subarray(0, 42)).equals(Buffer.from(reply))
const isPong = (frame: Uint8Array) => frame[13] === 0 && frame[23] === 1 && frame[34] === 0

suite('queues', [], () => {
  let netns = ''
  beforeEach(() => {
    netns = new Namespace('queue').path
  })
  afterAll(cleanup)

  function device(kind: 'tap' | 'tun', address = `${kernel.ip}/24`): number {
    const [fd] = native.deviceOpen({
      kind,
      ifname: 'e0',
      netns,
      queues: 1,
      offload: true,
      persist: false,
      owner: -1,
      alias: '',
    }).fds
    defer(() => native.descriptorClose(fd))
    native.linkSet({
      netns,
      ifname: 'e0',
      ...(kind === 'tap' ? { mac: kernel.mac } : {}),
      ipv6: false,
      address,
      up: true,
    })
    return fd
  }

  it('a tap carries bursts both ways, and tells which frame the kernel refused', async () => {
    const queue = new DescriptorQueue(TAP, device('tap'))
    const lie = { frame: question, vnet: vnet({ flags: 1, start: 40, offset: 16 }) }
    expect(desk.transmit(queue, lie, question, numbered(broadcast, peer.mac, 1, 13 + 5))).toEqual({
      taken: 2,
      errors: [EINVAL, 0, 0],
    })
    const { vnet: header } = await until(queue, isReply)
    expect(header.every((byte) => byte === 0)).toBe(true)
    expect(desk.transmit(queue, echo(8))).toEqual({ taken: 1, errors: [0] })
    await until(queue, isPong)
    expect([desk.receive(queue), desk.pool.free]).toEqual([[], desk.pool.count])
  })

  it('a tap takes a partial checksum for a whole one', async () => {
    const queue = new DescriptorQueue(TAP, device('tap'))
    desk.transmit(queue, question)
    await until(queue, isReply)
    const ping = echo(8)
    ping.set([0, 0], 36)
    expect(desk.transmit(queue, { frame: ping, vnet: vnet({ flags: 1, start: 34, offset: 2 }) }).taken).toBe(
      1,
    )
    await until(queue, isPong)
  })

  it('a packet socket sees what the interface’s other end writes', async () => {
    const fd = device('tap')
    const ours = native.packetOpen({ netns, ifname: 'e0', vnetHeader: true, promiscuous: true })
    defer(() => native.descriptorClose(ours))
    const [far, near] = [new DescriptorQueue(TAP, fd), new DescriptorQueue(PACKET, ours)]
    const tagged = ethernet(
      broadcast,
      peer.mac,
      0x8100,
      join(u16(0x0123), u16(0x88b5), new Array(50).fill(9)),
    )
    const sent = [numbered(broadcast, peer.mac, 1), tagged, numbered(broadcast, peer.mac, 2, 1514)]
    expect(desk.transmit(far, ...sent).taken).toBe(3)
    const got: Uint8Array[] = []
    await eventually('three frames', () => {
      for (const { frame } of desk.receive(near) as Sent[])
        if (frame[6] === 2 && frame[11] === 2) got.push(frame)
      return got.length === 3
    })
    expect(got).toEqual(sent)
    expect(desk.transmit(near, sent[1])).toEqual({ taken: 1, errors: [0] })
    const { frame } = await until(far, (each) => each.length === tagged.length && each[11] === 2)
    expect(frame).toEqual(tagged)
  })

  it('says that the device is gone', () => {
    const queue = new DescriptorQueue(TAP, device('tap'))
    native.linkDelete(netns, 'e0')
    expect(desk.receive(queue)).toBe(-EBADFD)
    expect(desk.transmit(queue, question)).toEqual({ taken: 0, errors: [EBADFD] })
  })

  it('a tun port is a station: it answers ARP, asks for next hops, and holds what waits for them', async () => {
    const int32 = (text: string) => ip(text).reduce((value, part) => (value << 8) | part, 0)
    const station = {
      high: 0x0200,
      low: 1,
      address: int32(kernel.ip),
      gateway: int32('192.0.2.254'),
      prefix: 24,
    }
    const fd = device('tun')
    const queue = new TunQueue(desk.arena, desk.pool, desk.counters, rowOf(0), fd, station)
    expect(
      desk.transmit(queue, question, ethernet(kernel.mac, peer.mac, 0x86dd, new Array(40).fill(0))).errors,
    ).toEqual([0, 97])
    expect(queue.quiet).toBe(false)
    expect(desk.receive(queue)).toMatchObject([{ frame: reply }])
    // It learned who asked, so the kernel's answer goes there at once.
    desk.transmit(queue, echo(8))
    const { frame } = await until(queue, isPong)
    expect([...frame.subarray(0, 14)]).toEqual([...mac(peer.mac), ...mac(kernel.mac), 8, 0])

    const other = { mac: '02:00:00:00:00:03', ip: '192.0.2.3' }
    desk.transmit(queue, echo(8, other))
    const asks = ethernet(
      broadcast,
      kernel.mac,
      0x0806,
      arp(1, [kernel.mac, kernel.ip], ['00:00:00:00:00:00', other.ip]),
    )
    await until(queue, (each) => Buffer.from(each).equals(Buffer.from(asks)))
    expect(desk.pool.free).toBe(desk.pool.count - 1)
    const answer = arp(2, [other.mac, other.ip], [kernel.mac, kernel.ip])
    desk.transmit(queue, ethernet(kernel.mac, other.mac, 0x0806, answer))
    const held = desk.receive(queue) as Sent[]
    expect(held.length).toBe(1)
    expect([isPong(held[0].frame), [...held[0].frame.subarray(0, 6)]]).toEqual([true, mac(other.mac)])
    expect(desk.pool.free).toBe(desk.pool.count)
  })

  it('a tun port ignores what is for others, and gives held frames back at its end', async () => {
    const station = { high: 0x0200, low: 1, address: -1073741311, gateway: 0, prefix: 24 }
    const queue = new TunQueue(desk.arena, desk.pool, desk.counters, rowOf(1), device('tun'), station)
    expect(desk.transmit(queue, echo(8, peer, { ...kernel, mac: '02:00:00:00:00:09' }))).toEqual({
      taken: 1,
      errors: [0],
    })
    expect(desk.receive(queue)).toEqual([])
    // Nobody answers for .9, so what the kernel sends there is held.
    const ping = ['nsenter', `--net=${netns}`, 'ping', '-c', '3', '-i', '0.01', '-W', '1', '192.0.2.9']
    const pinging = attempt(ping)
    await eventually('held frames', () => {
      desk.receive(queue)
      return desk.pool.free === desk.pool.count - 3
    })
    await pinging
    queue.close()
    expect(desk.pool.free).toBe(desk.pool.count)
    expect(desk.counters[rowOf(1) + DROPS + reason.NO_NEIGHBOUR]).toBe(0)
  })
})
