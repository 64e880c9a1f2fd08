/** dpdk-testpmd as two guests at once: millions of frames through rings that are polled on both sides, and both sides' counts agree. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'
import { Testpmd, testpmd } from '../lab/testpmd.ts'

/** Frames that must have come through before the counts are compared. */
const enough = 20_000

const macs = ['02:00:00:00:08:00', '02:00:00:00:08:01']

interface Case {
  name: string
  /** of each device */
  device?: string
  /** of each port */
  port?: object
  queues?: number
  workers?: number
  hugepages?: boolean
  length?: number
}

const cases: Case[] = [
  { name: 'rings of 256 entries' },
  { name: 'rings of 1024 entries in huge pages', device: ',queue_size=1024', hugepages: true },
  { name: 'used in order', device: ',in_order=1', length: 512 },
  { name: 'no mergeable buffers', device: ',mrg_rxbuf=0', length: 1514 },
  { name: 'packed rings asked for', device: ',packed_vq=1' },
  { name: 'our side connects', device: ',server=1', port: { role: 'client' } },
  { name: 'four queues, one worker', queues: 4 },
  { name: 'four queues, two workers', queues: 4, workers: 2 },
]

suite('dpdk-testpmd on vhost-user', testpmd, () => {
  let daemon: Daemon
  let sockets: string
  afterEach(cleanup)
  afterAll(cleanup)

  const open = async ({ queues = 1, workers = 1, port = {} }: Case) => {
    sockets = folder('sockets')
    const plugged = (name: string) => ({
      network: 'lan',
      type: 'vhost-user',
      path: join(sockets, name),
      queues,
      ...port,
    })
    const ports = { p0: plugged('p0'), p1: plugged('p1') }
    daemon = await Daemon.start({ workers, networks: { lan: { mode: 'internal' } }, ports })
  }
  const start = ({ device = '', queues = 1, hugepages = false, length = 64 }: Case) =>
    Testpmd.start({
      devices: [0, 1].map(
        (n) => `net_virtio_user${n},path=${sockets}/p${n},mac=${macs[n]},queues=${queues}${device}`,
      ),
      peers: [macs[1] as string, macs[0] as string],
      ...{ queues, hugepages, length },
    })
  const rows = async () => (await daemon.ports()).filter((row) => /^p[01]$/.test(row.name))
  const becomes = (state: string) =>
    eventually(`both ports are ${state}`, async () => (await rows()).every((row) => row.state === state))
  const flows = (guest: Testpmd) =>
    eventually('frames flow, both ways', async () =>
      (await guest.counts()).every((count) => count.rx > enough),
    )

  it.each(cases.map((each) => [each.name, each] as const))('%s', async (_name, each) => {
    await open(each)
    const guest = await start(each)
    await becomes('up')
    await guest.command('start tx_first 4')
    await flows(guest)
    await guest.command('stop')
    await guest.command('set fwd rxonly')
    await guest.command('start')
    await eventually('counts agree', async () => {
      const counts = await guest.counts()
      const ports = await rows()
      return (
        ports.length === 2 &&
        ports.every((row, n) => row.rxFrames === counts[n]?.tx && row.txFrames === counts[n]?.rx)
      )
    })
    const ports = await rows()
    const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
    const dropped = sum(ports.flatMap((row) => Object.values(row.drops)))
    const sent = sum(ports.map((row) => row.txFrames))
    expect(sent + dropped).toBe(sum(ports.map((row) => row.rxFrames)))
    await guest.stop()
    await becomes('waiting')
    await eventually('its addresses are forgotten', async () => (await daemon.macs()).length === 0)
  })

  it('a guest that wants more queues than there are learns why, and the next one is served', async () => {
    await open({ name: '' })
    // It ends by itself, at its start or when its link goes.
    const wanting = start({ name: '', queues: 4 }).then(
      (guest) => guest.stop(),
      () => {},
    )
    await eventually('the switch says why', async () =>
      (await rows()).some((row) => row.socket?.fault.includes('one pair of queues')),
    )
    await wanting
    const guest = await start({ name: '' })
    await guest.command('start tx_first 4')
    await flows(guest)
    await guest.stop()
  })

  it('the switch, killed amid traffic and started again, finds a guest that listens', async () => {
    const listening = { name: '', device: ',server=1', port: { role: 'client' } }
    await open(listening)
    const guest = await start(listening)
    await guest.command('start tx_first 4')
    await flows(guest)
    await daemon.stop('SIGKILL')
    await guest.command('stop')
    await guest.command('clear port stats all')
    await daemon.up()
    await becomes('up')
    await guest.command('start tx_first 4')
    await flows(guest)
    await guest.stop()
  })

  it('killed amid traffic and started again, 20 times; nothing of it is kept', async () => {
    const plain = { name: '' }
    await open(plain)
    const kept = () => {
      const maps = readFileSync(`/proc/${daemon.pid}/maps`, 'utf8').split('\n')
      return {
        descriptors: readdirSync(`/proc/${daemon.pid}/fd`).length,
        guests: maps.filter((line) => line.includes('nohuge')).length,
      }
    }
    const round = async () => {
      const guest = await start(plain)
      await guest.command('start tx_first 4')
      await eventually('frames flow', async () => (await guest.counts()).every((count) => count.rx > 0))
      await guest.stop('SIGKILL')
    }
    await round()
    await becomes('waiting')
    // The switch's own API has a descriptor for a moment after it answered.
    await pause(100)
    const first = kept()
    // The next one is there before the switch has noticed that the last one is gone.
    for (let count = 1; count < 20; count++) await round()
    await becomes('waiting')
    await eventually('as much is held as before', () => {
      const { descriptors, guests } = kept()
      return descriptors <= first.descriptors && guests === 0
    }).catch(() => expect(kept()).toEqual(first))
    expect(first.guests).toBe(0)
  }, 120_000)
})
