/** Captures of a running switch, beside what tcpdump saw at the far side, and as tshark and tcpdump read them. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, must, pause, says } from '../lab/command.ts'
import { Daemon, program } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { iperf } from '../lab/iperf.ts'
import { Namespace } from '../lab/namespace.ts'
import { readCapture, readPcap } from '../lab/pcapng.ts'
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

suite('captures', ['tcpdump', 'tshark', 'bash', 'iperf3'], () => {
  const stations: Record<string, Namespace> = {}
  let daemon: Daemon

  /** A port named as its namespace's label. */
  const port = (name: string, network: string, address: string, more = {}) => {
    stations[name] = new Namespace(name)
    const place = { type: 'tap', netns: stations[name].name, ifname: 'eth0', address: `${address}/24` }
    return { [name]: { network, ...place, ...more } }
  }
  const ping = (name: string, address: string, ...options: string[]) =>
    stations[name].attempt(['ping', '-n', '-i', '0.05', '-W', '1', ...options, address])

  beforeAll(async () => {
    const host = new Namespace('host')
    const ports = {
      ...port('a', 'lab', '10.1.0.11'),
      ...port('b', 'lab', '10.1.0.12'),
      ...port('g', 'lab', '10.1.0.13', { guard: true, mac: '02:00:00:00:00:13' }),
      ...port('small', 'lab', '10.1.0.14', { mtu: 1000 }),
      ...port('i', 'alone', '10.2.0.11'),
      ...port('j', 'alone', '10.2.0.12'),
      ...port('c', 'far', '10.3.0.11'),
      ...port('d', 'far', '10.3.0.12'),
    }
    stations.later = new Namespace('later')
    await host.exec(['ip', 'addr', 'add', `${OUTSIDE}/32`, 'dev', 'lo'])
    daemon = await Daemon.start({ networks, ports, workers: 2 }, host)
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
    const plain = await Recorder.start(daemon, 'a', 'tcp port 23 or ip host 10.1.0.14')
    await stations.g.exec(['ip', 'addr', 'add', '10.1.0.99/24', 'dev', 'eth0'])
    await ping('g', '10.1.0.12', '-c', '1', '-I', '10.1.0.99')
    const { mac } = await daemon.port('j')
    await stations.i.exec(['ip', 'neigh', 'add', '10.2.0.12', 'lladdr', mac ?? '', 'dev', 'eth0'])
    await ping('i', '10.2.0.12', '-c', '1')
    await ping('a', '10.1.0.14', '-c', '1', '-s', '1200', '-M', 'dont')
    await stations.a.attempt(['timeout', '0.5', 'bash', '-c', `: < /dev/tcp/${OUTSIDE}/23`])
    await daemon.attempt(['rules', 'restore'], {
      input: POLICY.join('\n').replace('FORWARD ACCEPT', 'FORWARD DROP'),
    })
    await ping('b', OUTSIDE, '-c', '1')
    await daemon.attempt(['rules', 'restore'], { input: POLICY.join('\n') })
    const { packets } = await drops.stop()
    const told = new Set(packets.map((each) => `${each.interface} ${each.direction}: ${each.comment}`))
    expect(told).toContain('g in: dropped: guard')
    expect(told).toContain('i in: dropped: isolated')
    expect([...told].filter((each) => each.endsWith('dropped: oversize'))).toHaveLength(1)
    expect(told).toContain(`a in: dropped: rule_dropped by filter FORWARD 2: ${RULE}`)
    expect(told).toContain('b in: dropped: rule_dropped by filter FORWARD: policy DROP')
    expect(packets.every(({ comment }) => comment.startsWith('dropped: '))).toBe(true)
    // A capture of everything has the comment at the same frames, and no other.
    const whole = await plain.stop()
    expect(whole.packets.map(({ comment }) => comment)).toContain(
      `dropped: rule_dropped by filter FORWARD 2: ${RULE}`,
    )
    const text = await must(['tshark', '-r', drops.file, '-T', 'fields', '-e', 'frame.comment'])
    expect(text.trim().split('\n')).toEqual(packets.map(({ comment }) => comment))
  })

  it('are cut to a length and end after a count', async () => {
    const recorder = await Recorder.start(
      daemon,
      'a',
      '-c',
      '5',
      '--snap',
      '50',
      '--direction',
      'out',
      'icmp',
    )
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
    expect((await ping('a', OUTSIDE, '-c', '2')).status).toBe(0)
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
    const { packets } = await recorder.stop('SIGTERM')
    const times = packets.map(({ time }) => time)
    expect(times).toEqual([...times].sort((one, other) => Number(one - other)))
    const counts = ['a', 'b', 'c', 'd'].map(
      (name) => packets.filter((each) => each.interface === name).length,
    )
    expect(counts).toEqual([40, 40, 40, 40])
    expect(
      new Set(
        (JSON.parse(await daemon.cli('network', 'ls', '--json')) as { worker: number }[]).map(
          ({ worker }) => worker,
        ),
      ).size,
    ).toBe(2)
  })

  it.each([
    ['tshark', 'tshark -l -n -i -', /Echo \(ping\) reply/],
    ['tcpdump', 'tcpdump -l -n -r -', /ICMP echo reply/],
  ])('are read by %s while they go on, and end with it', async (_, reader, line) => {
    const command = `${process.execPath} ${program} --socket ${daemon.socket} capture a icmp`
    const child = daemon.host.spawn('bash', '-c', `set -o pipefail; ${command} | ${reader}`)
    let told = ''
    child.stdout?.on('data', (text) => {
      told += text
    })
    await eventually('the reader shows a reply', async () => {
      await ping('a', '10.1.0.12', '-c', '1')
      return line.test(told)
    })
    const bashes = (await must(['pgrep', '-P', String(child.pid)])).trim().split('\n')
    const ended = new Promise((resolve) => child.once('close', resolve))
    for (const pid of bashes)
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(reader.split(' ')[0]))
        process.kill(Number(pid))
    const pinging = setInterval(() => void ping('a', '10.1.0.12', '-c', '1'), 200)
    await ended
    clearInterval(pinging)
    expect((await must(['pgrep', '-fc', `capture a icmp`]).catch(() => '0')).trim()).toBe('0')
  })

  it('see ports that come during a capture, and those that come again', async () => {
    const recorder = await Recorder.start(daemon, 'lab', 'icmp')
    const place = ['--netns', stations.later.name, '--ifname', 'eth0', '--address', '10.1.0.50/24']
    for (const turn of [1, 2]) {
      await daemon.cli('port', 'add', 'later', '--network', 'lab', '--type', 'tap', ...place)
      await eventually(
        `it answers, ${turn}`,
        async () => (await ping('later', '10.1.0.12', '-c', '1')).status === 0,
      )
      await daemon.cli('port', 'rm', 'later')
      // Its index goes to another port in between.
      await daemon.cli('port', 'add', 'other', '--network', 'far', '--type', 'tap', ...place)
      await daemon.cli('port', 'rm', 'other')
    }
    const { interfaces, packets } = await recorder.stop()
    expect(interfaces.filter(({ name }) => name === 'later')).toHaveLength(1)
    expect(interfaces.map(({ name }) => name)).not.toContain('other')
    const own = packets.filter((each) => each.interface === 'later')
    expect(own.filter(({ direction }) => direction === 'out')).toHaveLength(2)
  })

  /** A reader that does not read. */
  const idle = (path: string) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const asked = request({ socketPath: daemon.socket, path, agent: false }, (answer) =>
        resolve(answer.pause()),
      )
      asked.on('error', reject)
      asked.end()
    })

  it('of a slow reader lose frames, and traffic none', async () => {
    const answer = await idle('/v1/capture?port=a')
    const { bytes } = await iperf(stations.a, stations.b, '10.1.0.12')
    expect(bytes).toBeGreaterThan(40 * 2 ** 20)
    const chunks: Buffer[] = []
    answer.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
    const ended = new Promise((resolve) => answer.once('end', resolve))
    await daemon.host.exec([
      'curl',
      '-sf',
      '-X',
      'DELETE',
      '--unix-socket',
      daemon.socket,
      `http://x/v1/capture/${answer.headers['bridgeport-capture']}`,
    ])
    await ended
    const { packets, statistics } = readCapture(Buffer.concat(chunks))
    expect(statistics[0].dropped).toBeGreaterThan(0)
    expect(statistics[0].accepted).toBe(packets.length + statistics[0].dropped)
    expect((await ping('a', '10.1.0.12', '-c', '1')).status).toBe(0)
  })

  it('are four at most, and a reader that goes makes room', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => idle('/v1/capture?network=lab')))
    const fifth = await daemon.attempt(['capture', 'a', '-w', '/dev/null'])
    expect(fifth).toMatchObject({
      status: 1,
      stderr: 'bridgeport: capture: 4 run already; end one of them\n',
    })
    for (const answer of answers) answer.destroy()
    await eventually('there is room', async () => {
      const answer = await idle('/v1/capture?port=a')
      answer.destroy()
      return answer.statusCode === 200
    })
  })

  it.each([
    [['nobody'], 'port nobody: there is none of that name; see bridgeport port ls'],
    [
      ['a', 'tcp', 'prot'],
      "filter tcp prot: can't parse filter expression: syntax error; see man 7 pcap-filter",
    ],
    [
      ['a', 'ip', 'protochain', '6'],
      /^bridgeport: filter ip protochain 6: instruction \d+ of the filter: it jumps back/,
    ],
    [['a', '-c', 'x'], /count.*an integer from 1/],
    [['a', '-w', '/nowhere/f'], /^bridgeport: file \/nowhere\/f: .*choose another with -w/],
  ])('are refused: %j', async (argv, line) => {
    const { status, stderr } = await daemon.attempt(['capture', '-w', '/dev/null', ...argv])
    expect(status).toBe(1)
    if (typeof line === 'string') expect(stderr).toBe(`bridgeport: ${line}\n`)
    else expect(stderr).toMatch(line)
  })

  it('end in order when the switch ends; without libpcap only filters are refused', async () => {
    const recorder = await Recorder.start(daemon, 'a', 'icmp')
    await ping('a', '10.1.0.12', '-c', '2')
    expect(await daemon.stop()).toBe(0)
    const { packets, statistics } = await recorder.end()
    expect([packets.length, statistics.length]).toEqual([4, 1])
    const hide =
      'for f in $(ldconfig -p | sed -n "s/.*libpcap.* => //p"); do mount --bind /dev/null $f; done; exec "$@"'
    const up = ['-m', 'sh', '-c', hide, 'sh', process.execPath, program, 'up', '-c', daemon.file]
    daemon.write({ networks: { lab: { mode: 'internal' } }, ports: port('z', 'lab', '10.9.0.1') })
    const child = daemon.host.spawn('unshare', ...up)
    await says(child, /^ready$/m)
    const refused = await daemon.attempt(['capture', 'z', '-w', '/dev/null', 'icmp'])
    expect(refused).toMatchObject({
      status: 1,
      stderr:
        'bridgeport: filter: this machine has no libpcap; install it (Debian: libpcap0.8) or leave the filter out\n',
    })
    const plain = await Recorder.start(daemon, 'z')
    await ping('z', '10.9.0.2', '-c', '1')
    await pause(50)
    expect((await plain.stop()).packets.length).toBeGreaterThan(0)
    await daemon.cli('down')
  })
})
