/** Captures of a running switch, beside what tcpdump saw at the far side. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, must, says } from '../lab/command.ts'
import type { Daemon } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { Lookout } from '../lab/lookout.ts'
import { Namespace } from '../lab/namespace.ts'
import { readPcap } from '../lab/pcapng.ts'
import { suite } from '../lab/peer.ts'
import { Recorder } from '../lab/recorder.ts'

const OUTSIDE = '203.0.113.9'
const RULE = '-A FORWARD -i lab -p tcp -m tcp --dport 23 -j DROP'
const POLICY = ['*filter', ':FORWARD ACCEPT [0:0]', '-A FORWARD -i lab -p udp -j ACCEPT', RULE, 'COMMIT', '']
const nat = { mode: 'nat', dhcp: 'off', dns: 'off' }
const networks = {
  lab: { ...nat, subnet: '10.1.0.0/24', gateway: '10.1.0.1', uplink: 'host' },
  alone: { mode: 'internal', isolated: true },
  far: { mode: 'internal' },
}

/** A frame in few words: its length and a hash. */
const brief = (frame: Buffer) =>
  `${frame.length} ${createHash('sha256').update(frame).digest('hex').slice(0, 16)}`

suite('captures', ['tcpdump', 'tshark', 'bash'], () => {
  const place = new Lookout()
  const { stations } = place
  const ping = place.ping.bind(place)
  let daemon: Daemon
  beforeAll(async () => {
    const ports = {
      ...place.port('a', 'lab', '10.1.0.11'),
      ...place.port('b', 'lab', '10.1.0.12'),
      ...place.port('g', 'lab', '10.1.0.13', { guard: true, mac: '02:00:00:00:00:13' }),
      ...place.port('small', 'lab', '10.1.0.14', { mtu: 1000 }),
      ...place.port('i', 'alone', '10.2.0.11'),
      ...place.port('j', 'alone', '10.2.0.12'),
      ...place.port('c', 'far', '10.3.0.11'),
      ...place.port('d', 'far', '10.3.0.12'),
    }
    stations.later = new Namespace('later')
    await place.host.exec(['ip', 'addr', 'add', `${OUTSIDE}/32`, 'dev', 'lo'])
    await place.start(networks, ports)
    daemon = place.daemon
    await daemon.attempt(['rules', 'restore'], { input: POLICY.join('\n') })
    await serveEcho(stations.b)
  })
  afterAll(cleanup)

  it('have the frames that the far side saw: all bytes, each direction in order', async () => {
    // What the switch receives, the station sends. A buffer of 64 MiB: the witness must lose nothing.
    const witnesses = (['out', 'in'] as const).map((way) => {
      const file = join(daemon.folder, `far-${way}.pcap`)
      const options = ['--immediate-mode', '-U', '-B', '65536', '-s', '0', '-i', 'eth0', '-w', file, 'ip']
      return { way, file, child: stations.a.spawn('tcpdump', '-Q', way, ...options) }
    })
    for (const { child } of witnesses) await says(child, /listening/)
    const recorder = await Recorder.start(daemon, 'a', 'ip')
    await ping('a', '10.1.0.12', '-c', '5')
    await exchange(stations.a, '10.1.0.12', 500_000)
    await stations.a.exec([
      'bash',
      '-c',
      'for i in 1 2 3; do echo $i > /dev/udp/10.1.0.12/9; done; sleep 0.3',
    ])
    const { packets, interfaces, application, statistics } = await recorder.stop()
    const own = (far: string) =>
      packets.filter(({ direction }) => direction !== far).map(({ bytes }) => bytes)
    for (const { way, file, child } of witnesses) {
      const last = own(way).at(-1) as Buffer
      await eventually('the witness is up to date', () =>
        readFileSync(file).subarray(-last.length).equals(last),
      )
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGINT')
      await ended
    }
    const [received, sent] = witnesses.map(({ file }) => readPcap(file).map(brief))
    expect(own('out').map(brief)).toEqual(received)
    expect(own('in').map(brief)).toEqual(sent)
    expect(Math.min(received.length, sent.length)).toBeGreaterThan(20)
    expect(interfaces).toEqual([{ name: 'a', description: 'tap, network lab', snap: 262_144, filter: 'ip' }])
    expect(application).toMatch(/^Bridgeport /)
    expect(statistics).toEqual([{ received: expect.any(Number), accepted: packets.length, dropped: 0 }])
    expect(recorder.said).toBe(`${packets.length} frames captured, 0 lost because nobody read in time\n`)
  })

  it('are read by tshark: names, nanoseconds, directions', async () => {
    const recorder = await Recorder.start(daemon, 'lab', 'icmp')
    await ping('a', '10.1.0.12', '-c', '1')
    const { packets } = await recorder.stop()
    const fields = [
      'frame.interface_name',
      'frame.interface_description',
      'frame.time_epoch',
      'frame.packet_flags_direction',
      'icmp.type',
    ]
    const text = await must([
      'tshark',
      '-r',
      recorder.file,
      '-T',
      'fields',
      ...fields.flatMap((each) => ['-e', each]),
    ])
    const rows = text
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
    const time = (at: number) =>
      `${packets[at].time / 1_000_000_000n}.${String(packets[at].time % 1_000_000_000n).padStart(9, '0')}`
    expect(rows).toEqual(
      [
        ['a', '0x00000001', '8'],
        ['b', '0x00000002', '8'],
        ['b', '0x00000001', '0'],
        ['a', '0x00000002', '0'],
      ].map(([name, direction, type], i) => [name, 'tap, network lab', time(i), direction, type]),
    )
    expect(new Set(packets.map(({ time }) => time % 1000n)).size).toBeGreaterThan(1)
    expect(Math.abs(Date.now() - Number(packets[0].time / 1_000_000n))).toBeLessThan(60_000)
  })

  it('say why a frame was dropped, and by which rule', async () => {
    const drops = await Recorder.start(daemon, '--all', '--drops', 'not ip6')
    const all = await Recorder.start(daemon, '--drops')
    const plain = await Recorder.start(daemon, 'a', 'tcp port 23 or ip host 10.1.0.14')
    // Through the gateway to an address that nobody has: it waits for an answer to ARP before it is dropped.
    await stations.a.exec(['ip', 'route', 'add', '10.1.0.77', 'via', '10.1.0.1'])
    const lonely = ping('a', '10.1.0.77', '-c', '1', '-W', '5')
    await stations.g.exec(['ip', 'addr', 'add', '10.1.0.99/24', 'dev', 'eth0'])
    await ping('g', '10.1.0.12', '-c', '1', '-I', '10.1.0.99')
    const { mac } = await daemon.port('j')
    await stations.i.exec(['ip', 'neigh', 'add', '10.2.0.12', 'lladdr', mac ?? '', 'dev', 'eth0'])
    await ping('i', '10.2.0.12', '-c', '1')
    await ping('a', '10.1.0.14', '-c', '1', '-s', '1200', '-M', 'dont')
    const knocking = stations.a.attempt(['timeout', '2', 'bash', '-c', `: < /dev/tcp/${OUTSIDE}/23`])
    await daemon.attempt(['rules', 'restore'], {
      input: POLICY.join('\n').replace('FORWARD ACCEPT', 'FORWARD DROP'),
    })
    await ping('b', OUTSIDE, '-c', '1')
    await daemon.attempt(['rules', 'restore'], { input: POLICY.join('\n') })
    await Promise.all([lonely, knocking])
    const { packets } = await drops.stop()
    const told = new Set(packets.map((each) => `${each.interface} ${each.direction}: ${each.comment}`))
    expect(told).toContain('g in: dropped: guard')
    expect(told).toContain('i in: dropped: isolated')
    expect(told).toContain('a in: dropped: no_neighbour')
    expect([...told].filter((each) => each.endsWith('dropped: oversize'))).toHaveLength(1)
    expect(told).toContain(`a in: dropped: rule_dropped by filter FORWARD 2: ${RULE}`)
    expect(told).toContain('b in: dropped: rule_dropped by filter FORWARD: policy DROP')
    expect(packets.every(({ comment }) => comment.startsWith('dropped: '))).toBe(true)
    // A capture of everything has the comment at the same frames, and no other.
    const whole = await plain.stop()
    expect(whole.packets.map(({ comment }) => comment)).toContain(
      `dropped: rule_dropped by filter FORWARD 2: ${RULE}`,
    )
    const { packets: each } = await all.stop()
    expect(each.map(({ comment }) => comment)).toEqual(
      expect.arrayContaining(packets.map(({ comment }) => comment)),
    )
    const text = await must(['tshark', '-r', drops.file, '-T', 'fields', '-e', 'frame.comment'])
    expect(text.trim().split('\n')).toEqual(packets.map(({ comment }) => comment))
  })

  it('are cut to a length and end after a count', async () => {
    const recorder = await Recorder.start(daemon, 'a', '-c', '5', '-s', '50', '--direction', 'out', 'icmp')
    await ping('a', '10.1.0.12', '-c', '8')
    const { packets, interfaces } = await recorder.end()
    expect(interfaces[0].snap).toBe(50)
    expect(packets.map(({ bytes, length, direction }) => [bytes.length, length, direction])).toEqual(
      new Array(5).fill([50, 98, 'out']),
    )
  })

  it("show at a network's uplink the address that it has outside", async () => {
    const recorder = await Recorder.start(daemon, 'lab-uplink', 'icmp')
    const inside = await Recorder.start(daemon, 'a', 'icmp')
    expect((await ping('a', OUTSIDE, '-c', '2', '-i', '1')).status).toBe(0)
    const source = ({ bytes }: { bytes: Buffer }) => [...bytes.subarray(26, 30)].join('.')
    const { packets, interfaces } = await recorder.stop()
    expect(interfaces[0]).toMatchObject({ name: 'lab-uplink', description: 'tap, network lab' })
    expect(packets.map(({ direction }) => direction)).toEqual(['out', 'in', 'out', 'in'])
    expect(source(packets[0])).toMatch(/^100\.64\./)
    expect((await inside.stop()).packets.map(source)).toEqual(['10.1.0.11', OUTSIDE, '10.1.0.11', OUTSIDE])
  })

  it('of two workers come in the order of time', async () => {
    const recorder = await Recorder.start(daemon, '--all', 'icmp')
    await Promise.all([ping('a', '10.1.0.12', '-c', '20'), ping('c', '10.3.0.12', '-c', '20')])
    // ping does not wait for its last answer for long; what one alone waits for comes behind it.
    for (const [from, to] of [
      ['a', '10.1.0.12'],
      ['c', '10.3.0.12'],
    ])
      await ping(from, to, '-c', '1', '-W', '8')
    const { packets } = await recorder.stop('SIGTERM')
    const steps = packets.map(({ time }, i) => Number(time - (packets[i - 1] ?? packets[0]).time))
    // A worker that had to wait for a core in the middle of a burst shows its records late.
    expect(steps.filter((each) => each < 0).length).toBeLessThan(5)
    const counts = ['a', 'b', 'c', 'd'].map(
      (name) => packets.filter((each) => each.interface === name).length,
    )
    expect(counts).toEqual([42, 42, 42, 42])
    expect(
      new Set(
        (JSON.parse(await daemon.cli('network', 'ls', '--json')) as { worker: number }[]).map(
          ({ worker }) => worker,
        ),
      ).size,
    ).toBe(2)
  })

  it('see ports that come during a capture, and those that come again', async () => {
    const recorder = await Recorder.start(daemon, 'lab', 'icmp')
    const where = ['--netns', stations.later.name, '--ifname', 'eth0', '--address', '10.1.0.50/24']
    for (const turn of [1, 2]) {
      await daemon.cli('port', 'add', 'later', '--network', 'lab', '--type', 'tap', ...where)
      await eventually(
        `it answers, ${turn}`,
        async () => (await ping('later', '10.1.0.12', '-c', '1', '-W', '8')).status === 0,
      )
      await daemon.cli('port', 'rm', 'later')
      // Its index goes to another port in between.
      await daemon.cli('port', 'add', 'other', '--network', 'far', '--type', 'tap', ...where)
      await daemon.cli('port', 'rm', 'other')
    }
    const { interfaces, packets } = await recorder.stop()
    expect(interfaces.filter(({ name }) => name === 'later')).toHaveLength(1)
    expect(interfaces.map(({ name }) => name)).not.toContain('other')
    const own = packets.filter((each) => each.interface === 'later')
    expect(own.filter(({ direction }) => direction === 'out')).toHaveLength(2)
  })
})
