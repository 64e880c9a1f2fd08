/** Guests whose cards differ in everything that a driver may do otherwise: memory, rings, layouts of buffers, queues, age. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Card } from '../lab/card.ts'
import { cleanup } from '../lab/cleanup.ts'
import type { Guest, GuestOptions } from '../lab/guest.ts'
import { qemu, suite } from '../lab/peer.ts'
import * as lab from '../lab/quay.ts'
import { leased, Quay, reaches, trade } from '../lab/quay.ts'

const bytes = 1 << 19
const mtu = 1400

interface Variant {
  name: string
  port: object
  card: Partial<Card> & Partial<GuestOptions>
  queues?: number
}

/** Data of a ping: in pieces, but whole where a smaller MTU would have the pieces of an ordinary one dropped. */
const dataOf = (...cards: Variant[]) => (cards.some(({ port }) => 'mtu' in port) ? 1200 : 5000)

/** The numbers of guests are those of variants, from 1. */
const variants: Variant[] = [
  {
    name: 'memory above 4 GiB, rings of 1024 entries, no event index',
    port: {},
    card: { mebibytes: 5120, properties: { event_idx: 'off', rx_queue_size: 1024, tx_queue_size: 1024 } },
  },
  {
    name: `no indirect descriptors, no mergeable buffers, an MTU of ${mtu}`,
    port: { mtu },
    card: { properties: { indirect_desc: 'off', mrg_rxbuf: 'off', host_mtu: mtu } },
  },
  {
    name: 'a legacy device on an old machine',
    port: {},
    card: { machine: 'pc', properties: { 'disable-modern': 'on', mrg_rxbuf: 'off' } },
  },
  {
    name: 'two queues, packed rings asked for, half of the offloads',
    port: { queues: 2 },
    queues: 2,
    card: {
      processors: 2,
      properties: { packed: 'on', guest_tso4: 'off', guest_tso6: 'off', guest_ecn: 'off' },
    },
  },
]

suite('guests with other cards', qemu, () => {
  let quay: Quay
  const guests: Guest[] = []

  const boot = async (variant: Variant, index: number) => {
    const socket = { path: quay.path(`vm${index + 1}`), role: 'client' as const, reconnectSeconds: 1 }
    const plug = { type: 'vhost-user' as const, ...socket, queues: variant.queues ?? 1 }
    guests[index] = await quay.boot(index + 1, { plug, ...variant.card })
  }

  beforeAll(async () => {
    quay = await Quay.open((path) => {
      const port = ({ port }: Variant, index: number) => {
        const name = `vm${index + 1}`
        return [name, { network: 'lan', type: 'vhost-user', path: path(name), ...port }]
      }
      return Object.fromEntries(variants.slice(1).map((variant, index) => port(variant, index + 1)))
    }, 2)
    const where = ['--network', 'lan', '--type', 'vhost-user', '--path', quay.path('vm1')]
    await quay.daemon.cli('port', 'add', 'vm1', ...where)
    await Promise.all(variants.map(boot))
  }, 240_000)
  afterAll(cleanup)

  describe.each(variants.map(({ name }, index) => [name, index] as const))('%s', (_name, index) => {
    it('trades with TAPs, both ways', async () => {
      const guest = guests[index] as Guest
      expect(guest.address).toBe(leased(index + 1))
      for (const address of [lab.ON, lab.OFF]) await trade(guest, address, bytes)
      for (const namespace of [quay.on, quay.off]) await trade(namespace, guest.address, bytes)
      await guest.exec(`ping -c 1 -s ${dataOf(variants[index] as Variant)} ${lab.OFF}`)
    })

    it('trades with the next guest', async () => {
      const next = (index + 1) % variants.length
      await trade(guests[index] as Guest, leased(next + 1), bytes)
      const data = dataOf(variants[index] as Variant, variants[next] as Variant)
      await reaches(guests[index] as Guest, `${lab.linkLocal(next + 1)}%eth0`, data)
    })
  })

  it("the driver takes the port's MTU", async () => {
    expect(await (guests[1] as Guest).exec('cat /sys/class/net/eth0/mtu')).toBe(`${mtu}\n`)
  })

  it('a driver uses fewer queues, and more again', async () => {
    const guest = guests[3] as Guest
    expect(await guest.exec('ethtool -l eth0')).toMatch(/Current[\s\S]*Combined:\s+2/)
    for (const count of [1, 2]) {
      await guest.exec(`ethtool -L eth0 combined ${count}`)
      await trade(guest, lab.ON, bytes)
      await trade(quay.off, guest.address, bytes)
    }
  })

  it('a port that is removed and added while its guest runs', async () => {
    await quay.daemon.cli('port', 'rm', 'vm1')
    await trade(guests[1] as Guest, lab.ON, bytes)
    await quay.daemon.cli(
      'port',
      'add',
      'vm1',
      '--network',
      'lan',
      '--type',
      'vhost-user',
      '--path',
      quay.path('vm1'),
    )
    await reaches(guests[0] as Guest, lab.ON)
    await trade(guests[0] as Guest, leased(2), bytes)
  })
})
