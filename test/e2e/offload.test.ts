/**
 * The offload matrix: every pair of tap, host and qemu-tap, with offloads on and off. Exactly the bytes that were sent come back, and where the
 * receiver has no offloads every packet fits the MTU and carries a full, correct checksum.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { Daemon } from '../lab/daemon.ts'
import { exchange, exchangeBytes, serveEcho } from '../lab/exchange.ts'
import { Guest } from '../lab/guest.ts'
import { Namespace } from '../lab/namespace.ts'
import { qemu, suite } from '../lab/peer.ts'
import { address, hostAddress, hostInterface, lan, mac, tap } from '../lab/plan.ts'
import { lengths, Tcpdump } from '../lab/tcpdump.ts'

/** A guest under TCG moves some hundred kilobytes in the time a namespace moves all of exchangeBytes. */
const guestBytes = exchangeBytes >> 1

/** A side of a pair: who sends or answers, and how. */
interface Side {
  name: string
  address: string
  offload: boolean
  namespace?: Namespace
  ifname?: string
  guest?: Guest
}

suite('offload matrix', ['tcpdump', 'ethtool', ...qemu], () => {
  const sides: Record<string, Side> = {}
  let daemon: Daemon

  beforeAll(async () => {
    const host = new Namespace('host')
    const ports: Record<string, object> = {}
    for (const [index, name] of ['tap on', 'tap off', 'second tap on', 'second tap off'].entries()) {
      const namespace = new Namespace('t')
      const offload = name.endsWith('on')
      ports[name.replaceAll(' ', '-')] = tap(namespace, 11 + index, { offload })
      sides[name] = { name, address: address(11 + index), offload, namespace, ifname: 'eth0' }
    }
    ports.vm1 = { network: 'lan', type: 'qemu-tap', ifname: 'vm1' }
    ports.vm2 = { network: 'lan', type: 'qemu-tap', ifname: 'vm2' }
    daemon = await Daemon.start({ networks: { lan }, ports }, host)
    const boot = (number: number, ifname: string, offload: boolean) =>
      Guest.boot({
        host,
        plug: { type: 'tap', ifname },
        mac: mac(number),
        address: `${address(number)}/24`,
        offload,
      })
    const [on, off] = await Promise.all([boot(21, 'vm1', true), boot(22, 'vm2', false)])
    sides['qemu-tap on'] = { name: 'qemu-tap on', address: address(21), offload: true, guest: on }
    sides['qemu-tap off'] = { name: 'qemu-tap off', address: address(22), offload: false, guest: off }
    sides.host = { name: 'host', address: hostAddress, offload: true, namespace: host, ifname: hostInterface }
    for (const side of Object.values(sides)) if (side.namespace) await serveEcho(side.namespace)
  }, 120_000)
  afterAll(cleanup)

  /** The host's interface has its offloads taken away by its own kernel. */
  async function hostOffload(offload: boolean): Promise<void> {
    const state = offload ? 'on' : 'off'
    await daemon.host.exec([
      'ethtool',
      '-K',
      hostInterface,
      'tx',
      state,
      'tso',
      state,
      'gso',
      state,
      'gro',
      state,
    ])
  }

  /** Sends from one side to the echo of the other; where tcpdump can watch a receiver without offloads, it does. */
  async function exchangeBetween(from: Side, to: Side): Promise<void> {
    const watched = [from, to].filter((side) => side.namespace && !side.offload && side.ifname === 'eth0')
    const dumps = await Promise.all(
      watched.map((side) => Tcpdump.start(side.namespace as Namespace, side.ifname as string, 'tcp port 7')),
    )
    if (from.namespace) await exchange(from.namespace, to.address, to.guest ? guestBytes : exchangeBytes)
    else {
      const file = `head -c ${guestBytes} /dev/urandom > /tmp/sent; nc ${to.address} 7 < /tmp/sent > /tmp/back; cmp /tmp/sent /tmp/back`
      await from.guest?.exec(file)
    }
    for (const dump of dumps) {
      const text = await dump.stop()
      expect(lengths(text).length).toBeGreaterThan(50)
      expect(Math.max(...lengths(text))).toBeLessThanOrEqual(1514)
      expect(text).not.toMatch(/incorrect|bad cksum/)
      expect(text).toMatch(/\(correct\)/)
    }
  }

  const kinds = ['tap on', 'tap off', 'host on', 'host off', 'qemu-tap on', 'qemu-tap off']
  const pairs = kinds.flatMap((from) => kinds.map((to) => [from, to] as const))
  // One host, and a guest talks to itself without a switch.
  const possible = pairs.filter(
    ([from, to]) =>
      from.startsWith('tap') ||
      from.split(' ')[0] !== to.split(' ')[0] ||
      (from !== to && from.startsWith('qemu')),
  )

  it.each(possible)('%s → %s and back', async (from, to) => {
    const side = (kind: string) => (kind.startsWith('host') ? sides.host : sides[kind]) as Side
    const target = from === to ? (sides[`second ${to}`] as Side) : side(to)
    const host = [from, to].find((kind) => kind.startsWith('host'))
    if (host) await hostOffload(host === 'host on')
    await exchangeBetween(side(from), target)
  })

  it('the ports say what they were granted', async () => {
    const on = await daemon.port('tap-on')
    const off = await daemon.port('tap-off')
    expect(on.offloads.join(' ')).toMatch(/tso4/i)
    expect(off.offloads).toEqual([])
  })
})
