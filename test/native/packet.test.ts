import { readSync, writeSync } from 'node:fs'
import { afterAll, beforeEach, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { probe } from './probe.ts'

const mac = '525400000001'
/** From 52:54:00:00:00:aa, 192.0.2.2: who has 192.0.2.1? */
const arp = 'ffffffffffff5254000000aa080600010800060400015254000000aac0000202000000000000c0000201'
/** ICMP echo request from 192.0.2.2 to 192.0.2.1. */
const echo = `${mac}5254000000aa080045000020000100004001f6d8c0000202c000020108005a6000010001deadbeef`

function frame(hex: string): Buffer {
  return Buffer.concat([Buffer.alloc(10), Buffer.from(hex, 'hex')])
}

/** All that waits on a nonblocking descriptor, as hex without the vnet header. */
function drain(fd: number): string[] {
  const frames: string[] = []
  const buffer = Buffer.alloc(70_000)
  for (;;) {
    try {
      const length = readSync(fd, buffer)
      frames.push(buffer.toString('hex', 10, length))
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN')
      return frames
    }
  }
}

suite('packet', ['setpriv'], () => {
  let netns: string
  let guest: number
  beforeEach(() => {
    netns = new Namespace('pkt').path
    const device = { kind: 'tap', ifname: 'vm1', netns, queues: 1, offload: true, persist: false } as const
    const [fd = -1] = native.deviceOpen({ ...device, owner: -1, alias: '' }).fds
    guest = fd
    defer(() => native.descriptorClose(fd))
    native.linkSet({
      netns,
      ifname: 'vm1',
      mac: '52:54:00:00:00:01',
      ipv6: false,
      address: '192.0.2.1/24',
      up: true,
    })
  })
  afterAll(cleanup)

  function open(): number {
    const fd = native.packetOpen({ netns, ifname: 'vm1', vnetHeader: true, promiscuous: true })
    defer(() => native.descriptorClose(fd))
    return fd
  }

  it('carries frames between the two ends of a TAP, not its own and not those of the stack', async () => {
    const ours = open()
    writeSync(ours, frame(arp))
    await eventually('the frame at the other end', () => drain(guest).includes(arp))
    expect(drain(ours)).toEqual([])
    writeSync(guest, frame(arp))
    await eventually('the frame at our end', () => drain(ours).includes(arp))
  })

  it('keeps the answers of the host from a guest, and still sees its frames', async () => {
    for (const request of [arp, echo]) writeSync(guest, frame(request))
    const answers: string[] = []
    await eventually('answers to both while nothing is dropped', () => {
      answers.push(...drain(guest))
      const isReply = (frame: string) => frame.startsWith('0806', 24) && frame.startsWith('0002', 40)
      const isEcho = (frame: string) => frame.startsWith('0800', 24) && frame.startsWith('00', 68)
      return answers.some(isReply) && answers.some(isEcho)
    })

    native.linkDropIngress(netns, 'vm1')
    native.linkDropIngress(netns, 'vm1')
    const ours = open()
    await pause(100)
    drain(guest)
    drain(ours)
    for (const request of [arp, echo]) writeSync(guest, frame(request))
    const seen: string[] = []
    await eventually('both are seen', () => seen.push(...drain(ours)) >= 2)
    await pause(300)
    expect([...seen, ...drain(ours)]).toEqual([arp, echo])
    expect(drain(guest)).toEqual([])
  })

  it('names what failed', async () => {
    const options = { netns, ifname: 'absent', vnetHeader: true, promiscuous: false }
    expect(() => native.packetOpen(options)).toThrow(/absent: ENODEV/)
    expect(() => native.packetOpen({ ...options, ifname: 'sixteen-letters-' })).toThrow(/EINVAL/)
    expect(() => native.packetOpen({ ...options, netns: '/run/netns/none' })).toThrow(
      /\/run\/netns\/none: ENOENT/,
    )
    expect(() => native.linkDropIngress(netns, 'absent')).toThrow(/absent: ENODEV/)
    const call = `return attempt(() => native.packetOpen({ netns: '', ifname: 'lo', vnetHeader: true, promiscuous: false }))`
    expect(await probe(call, ['setpriv', '--bounding-set=-net_raw'])).toEqual(['EPERM', 'socket', 'lo'])
    const drop = `return attempt(() => native.linkDropIngress('', 'lo'))`
    const bare = ['nsenter', `--net=${netns}`, 'setpriv', '--bounding-set=-net_admin']
    expect(await probe(drop, bare)).toEqual(['EPERM', 'RTM_NEWQDISC', 'lo'])
  })
})
