/** Cards: one end of a veth pair is the card, the other is the LAN, where a packet socket sees what is on the air. */
import { afterAll, beforeEach, expect, it } from 'vitest'
import { DROPS, rowOf } from '../../src/memory/counters.ts'
import { native } from '../../src/memory/native.ts'
import * as reason from '../../src/pipeline/reason.ts'
import * as device from '../../src/port/device.ts'
import { NicQueue } from '../../src/port/nic.ts'
import { DescriptorQueue, PACKET, type Queue, RING } from '../../src/port/queue.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Desk } from '../lab/desk.ts'
import { arp, broadcast, ethernet, hex, ipv4, join, numbered, u16, u32, udp, vnet } from '../lab/frame.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import type { Sent } from '../lab/rig.ts'

const card = '02:00:00:00:00:cc'
const station = '02:00:00:00:00:01'
const router = '02:00:00:00:00:fe'
const desk = new Desk()

suite('nic', [], () => {
  let host: Namespace
  let lan: DescriptorQueue
  beforeEach(async () => {
    host = new Namespace('nic')
    await host.exec(['ip', 'link', 'add', 'card', 'address', card, 'type', 'veth', 'peer', 'name', 'lan'])
    for (const ifname of ['card', 'lan']) {
      native.linkSet({ netns: host.path, ifname, ipv6: false })
      native.linkSet({ netns: host.path, ifname, arp: false, up: true })
    }
    lan = new DescriptorQueue(PACKET, opened('lan'))
  })
  afterAll(cleanup)

  function opened(ifname: string): number {
    const fd = native.packetOpen({ netns: host.path, ifname, vnetHeader: true, promiscuous: true })
    defer(() => native.descriptorClose(fd))
    return fd
  }

  function open(macTranslation: boolean): device.Device {
    const rest = {
      netns: host.path,
      mac: null,
      address: null,
      gateway: null,
      queues: 1,
      owner: -1,
      alias: '',
    }
    const made = device.open({
      type: 'nic',
      ifname: 'card',
      mtu: 1500,
      offload: true,
      macTranslation,
      ...rest,
    })
    defer(() => device.close(made))
    return made
  }

  /** The next `count` frames of a queue. */
  async function next(queue: Queue, count: number): Promise<Uint8Array[]> {
    const frames: Uint8Array[] = []
    await eventually(`${count} frames`, () => {
      const got = desk.receive(queue)
      if (typeof got !== 'number') frames.push(...got.map(({ frame }) => frame))
      return frames.length >= count
    })
    return frames
  }

  it('takes what is for stations and groups; what is for the card’s own MAC stays the host’s', async () => {
    const { fds, kind, card: found } = open(false)
    expect(found).toEqual({ mac: card, mtu: 1500 })
    const queue = new DescriptorQueue(kind, fds[0])
    const sent = [station, card, broadcast, card].map((to, n) => numbered(to, router, n))
    expect(desk.transmit(lan, ...sent).taken).toBe(4)
    expect(await next(queue, 2)).toEqual([sent[0], sent[2]])
    const out = numbered(router, station, 9)
    desk.transmit(queue, out)
    expect(await next(lan, 1)).toEqual([out])
  })

  it('with translation only the card’s MAC is on the air, and the pool loses no frame', async () => {
    const { fds, kind } = open(true)
    const shared = { high: 0x0200, low: 0xcc }
    const queue = new NicQueue(desk.arena, desk.pool, desk.counters, rowOf(0), kind, fds[0], shared)
    const packet = (to: string, from: string, source: string, destination: string) =>
      ethernet(
        to,
        from,
        0x0800,
        ipv4({ source, destination, protocol: 17 }, udp(1, 2, new Array(30).fill(7))),
      )
    const six = ethernet(broadcast, station, 0x86dd, new Array(46).fill(0))
    const out = (from: string) => packet(router, from, '192.0.2.11', '192.0.2.1')
    expect(desk.transmit(queue, out(station), six, out(station))).toEqual({ taken: 2, errors: [0, 97, 0] })
    expect(await next(lan, 2)).toEqual([out(card), out(card)])

    const ask = ethernet(broadcast, router, 0x0806, arp(1, [router, '192.0.2.1'], [card, '192.0.2.11']))
    const own = packet(card, router, '192.0.2.1', '192.0.2.5')
    const back = packet(card, router, '192.0.2.1', '192.0.2.11')
    desk.transmit(lan, own, ask, six.with(11, 9), own, back)
    expect(await next(queue, 2)).toEqual([ask, packet(station, router, '192.0.2.1', '192.0.2.11')])
    expect(desk.counters[rowOf(0) + DROPS + reason.NOT_IP]).toBe(1)
    expect([desk.receive(queue), desk.pool.free]).toEqual([[], desk.pool.count])
  })

  it('keeps the order of long frames, short ones and tagged ones, more of them than the ring has entries', async () => {
    for (const ifname of ['card', 'lan']) native.linkSet({ netns: host.path, ifname, mtu: 9000 })
    const made = open(false)
    expect(made.kind).toBe(RING)
    const queue = new DescriptorQueue(made.kind, made.fds[0])
    const control = join(u16(0x2005), u16(0x88b5))
    const tagged = (n: number) =>
      ethernet(station, router, 0x8100, join(control, u32(n), new Array(90).fill(n)))
    const burst = Array.from({ length: 50 }, (_, n) =>
      n % 7 === 3 ? tagged(n) : numbered(station, router, n, [60, 1514, 2100, 9014, 64][n % 5]),
    )
    for (let round = 0; round < 100; round++) {
      expect(desk.transmit(lan, ...burst).taken).toBe(50)
      expect(hex(await next(queue, 50))).toEqual(hex(burst))
    }
    expect([desk.receive(queue), desk.pool.free]).toEqual([[], desk.pool.count])
    queue.close()
    expect(desk.receive(queue)).toBe(-9)
  })

  it('takes a super-frame whole, with what the kernel left open in it', async () => {
    const made = open(false)
    const queue = new DescriptorQueue(made.kind, made.fds[0])
    const payload = Uint8Array.from({ length: 30_000 }, (_, i) => i)
    const header = [0x10, 0x20, 0x00, 0x50, ...u32(1), ...u32(2), 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]
    const addresses = { source: '192.0.2.1', destination: '192.0.2.11', protocol: 6 }
    const frame = ethernet(station, router, 0x0800, ipv4(addresses, join(header, payload)))
    const open4 = vnet({ flags: 1, gso: 1, headers: 54, size: 1448, start: 34, offset: 16 })
    expect(desk.transmit(lan, { frame, vnet: open4 }).taken).toBe(1)
    let got: Sent[] = []
    await eventually('the frame', () => {
      got = desk.receive(queue) as Sent[]
      return got.length > 0
    })
    expect(hex([got[0].frame])).toEqual(hex([frame]))
    expect([...got[0].vnet]).toEqual([...open4])
  })

  /** A cable is of use a moment after both its ends are up. */
  const connected = () =>
    eventually('the card is up', async () =>
      /^lan\S* +UP /m.test(await host.exec(['ip', '-br', 'link', 'show', 'lan'])),
    )

  it('a card that goes down before its long frames were read: they come first, each once, then the news', async () => {
    for (const ifname of ['card', 'lan']) native.linkSet({ netns: host.path, ifname, mtu: 9000 })
    const { kind, fds } = open(false)
    const queue = new DescriptorQueue(kind, fds[0])
    const sent = [9014, 60, 9014].map((length, n) => numbered(station, router, n, length))
    expect(desk.transmit(lan, ...sent).taken).toBe(3)
    await host.exec(['ip', 'link', 'set', 'card', 'down'])
    expect(hex(await next(queue, 3))).toEqual(hex(sent))
    expect([desk.receive(queue), desk.receive(queue)]).toEqual([-100, []])
    await host.exec(['ip', 'link', 'set', 'card', 'up'])
    await connected()
    desk.transmit(lan, ...sent)
    expect(hex(await next(queue, 3))).toEqual(hex(sent))
    expect(desk.receive(queue)).toEqual([])
  })

  it('a card that goes says so, and another of its name is not it', async () => {
    const made = open(false)
    const queue = new DescriptorQueue(made.kind, made.fds[0])
    expect(device.link(made)?.ifname).toBe('card')
    await host.exec(['ip', 'link', 'del', 'card'])
    expect(desk.receive(queue)).toBe(-100)
    expect(device.link(made)).toBeNull()
    await host.exec(['ip', 'link', 'add', 'card', 'type', 'veth', 'peer', 'name', 'lan'])
    expect(device.link(made)).toBeNull()
  })

  it('a card that is down for a while goes on by itself', async () => {
    const { kind, fds } = open(false)
    const queue = new DescriptorQueue(kind, fds[0])
    await host.exec(['ip', 'link', 'set', 'card', 'down'])
    expect([desk.receive(queue), desk.receive(queue)]).toEqual([-100, []])
    await host.exec(['ip', 'link', 'set', 'card', 'up'])
    await connected()
    desk.transmit(lan, numbered(station, router, 1))
    expect(await next(queue, 1)).toEqual([numbered(station, router, 1)])
  })

  it('refuses what is no Ethernet card', () => {
    const rest = { netns: host.path, vnetHeader: true, promiscuous: true }
    expect(() => native.packetOpen({ ...rest, ifname: 'lo' })).toThrow(/lo: EPFNOSUPPORT/)
    expect(() => native.packetOpen({ ...rest, ifname: 'lan', excluded: 'nonsense' })).toThrow(/EINVAL/)
  })
})
