/** Many ports, many addresses, several workers. */
import { afterAll, afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { Daemon, leavesNothing, type PortRow } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, broadcast, experimental, lan, mac, tap } from '../lab/plan.ts'
import { frame, Witness } from '../lab/witness.ts'

const megabyte = 1 << 20

suite('scale', ['cap', 'iperf3'], () => {
  afterEach(cleanup)
  afterAll(cleanup)

  it('a hundred TAP ports, each reaches the next', async () => {
    const host = new Namespace('host')
    const spaces = Array.from({ length: 20 }, () => new Namespace('n'))
    const ports: Record<string, object> = {}
    for (let index = 0; index < 100; index++) {
      const space = spaces[index % 20] as Namespace
      ports[`p${index}`] = tap(space, 100 + index, { ifname: `eth${Math.floor(index / 20)}` })
    }
    const daemon = await Daemon.start({ networks: { lan }, ports }, host)
    const rows = (await daemon.ports()).filter((row) => row.name in ports)
    expect(rows).toHaveLength(100)
    expect(rows.filter((row) => row.state !== 'up')).toEqual([])
    await host.exec(['ping', '-c', '1', address(100)])
    const reaches = spaces.map((space, index) =>
      space.attempt(['ping', '-c', '1', '-W', '2', '-I', 'eth0', address(100 + ((index + 1) % 20))]),
    )
    expect((await Promise.all(reaches)).map((result) => result.status)).toEqual(spaces.map(() => 0))
    process.stdout.write(`100 ports: ${Math.round(daemon.rss() / megabyte)} MB\n`)
    expect(await daemon.stop()).toBe(0)
    await leavesNothing(daemon)
  }, 120_000)

  it('sixty thousand MAC addresses behind one port', async () => {
    const [a, b] = [new Namespace('a'), new Namespace('b')]
    const daemon = await Daemon.start({ networks: { lan }, ports: { a: tap(a, 11), b: tap(b, 12) } })
    const sender = await Witness.open(a, 'eth0')
    const count = 60_000
    const entries = async () => (await daemon.macs()).filter((row) => row.port === 'a').length
    // libpcap may lose frames when the device's queue is full: a second round fills the gaps.
    for (let round = 0; round < 3 && (await entries()) < count; round++) {
      await sender.sendMacs(frame(mac(12), '02:66:00:00:00:00', experimental), count)
      await pause(300)
    }
    expect(await entries()).toBeGreaterThanOrEqual(count)
    const back = await Witness.open(a, 'eth0', 'ether dst 02:66:00:00:ea:60')
    const other = await Witness.open(b, 'eth0')
    await other.send(frame('02:66:00:00:ea:60', mac(12), experimental))
    await back.sees(1)
    expect((await daemon.port('a')).drops.mac_limit ?? 0).toBe(0)
    await a.exec(['ping', '-c', '1', address(12)])
  })

  it('a port that floods: every frame is sent or counted as dropped, and others go on', async () => {
    const [a, b, c] = [new Namespace('a'), new Namespace('b'), new Namespace('c')]
    const inside = { network: 'in' }
    const ports = { a: tap(a, 11, inside), b: tap(b, 12, inside), c: tap(c, 13) }
    const daemon = await Daemon.start({ networks: { lan, in: { mode: 'internal' } }, ports })
    const [flood, teach] = [await Witness.open(a, 'eth0'), await Witness.open(b, 'eth0')]
    await teach.send(frame(broadcast, mac(12), experimental))
    const count = 100_000
    const flooding = flood.send(frame(mac(12), mac(11), experimental), count)
    await c.exec(['ping', '-c', '5', '-i', '0.1', '10.7.0.1'])
    await flooding
    let rows: PortRow[] = []
    const sum = (value: (row: PortRow) => number) => rows.reduce((total, row) => total + value(row), 0)
    const drops = (row: PortRow) => Object.values(row.drops).reduce((total, count) => total + count, 0)
    await eventually('every frame is sent or dropped', async () => {
      rows = (await daemon.ports()).filter((row) => row.network === 'in')
      return sum((row) => row.txFrames) + sum(drops) === sum((row) => row.rxFrames)
    })
    const dropped = sum(drops)
    process.stdout.write(`flood: ${sum((row) => row.rxFrames)} received, ${dropped} dropped\n`)
    expect(sum((row) => row.rxFrames)).toBeGreaterThan(count / 10)
    await a.exec(['ping', '-c', '1', address(12)])
  })

  it('two workers: networks on both, in order, and nothing crosses between networks', async () => {
    const spaces = ['a', 'b', 'c', 'd'].map((label) => new Namespace(label))
    const [a, b, c, d] = spaces as [Namespace, Namespace, Namespace, Namespace]
    const second = { network: 'two', queues: 2 }
    const daemon = await Daemon.start({
      workers: 2,
      networks: { lan, two: { mode: 'internal' } },
      ports: {
        a: tap(a, 11, { queues: 2 }),
        b: tap(b, 12, { queues: 2 }),
        c: tap(c, 11, second),
        d: tap(d, 12, second),
      },
    })
    for (const [from, to] of [
      [a, b],
      [c, d],
    ] as const) {
      await serveEcho(to)
      await exchange(from, address(12))
      await ordered(from, to)
    }
    const workers = JSON.parse(await daemon.cli('network', 'ls', '--json')).map(
      (row: { worker: number }) => row.worker,
    )
    expect(new Set(workers).size).toBe(2)
    const seen = await Witness.open(d, 'eth0', `ether proto ${experimental}`)
    const sender = await Witness.open(a, 'eth0')
    await sender.send(frame(broadcast, mac(11), experimental), 5)
    expect(await seen.quiet()).toBe(0)
  })
})

/** One flow of numbered datagrams: iperf3 counts those that overtook another. */
async function ordered(from: Namespace, to: Namespace): Promise<void> {
  const server = to.spawn('iperf3', '-s', '-1', '--forceflush')
  await eventually('iperf3 listens', async () => (await to.exec(['ss', '-ltn'])).includes(':5201'))
  const report = JSON.parse(
    await from.exec(['iperf3', '-c', address(12), '-J', '-t', '1', '-u', '-b', '100M']),
  )
  server.kill('SIGKILL')
  const [stream] = report.end.streams as { udp: { out_of_order: number; packets: number } }[]
  expect(stream?.udp.packets).toBeGreaterThan(1000)
  expect(stream?.udp.out_of_order).toBe(0)
}
