/** Who reads captures: live, slowly, not at all, and who is refused. */
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, must, pause, says } from '../lab/command.ts'
import { type Daemon, program } from '../lab/daemon.ts'
import { iperf } from '../lab/iperf.ts'
import { Lookout } from '../lab/lookout.ts'
import { readCapture } from '../lab/pcapng.ts'
import { suite } from '../lab/peer.ts'
import { Recorder } from '../lab/recorder.ts'

suite('readers of captures', ['tcpdump', 'tshark', 'bash', 'iperf3', 'curl'], () => {
  const place = new Lookout()
  const { stations } = place
  const ping = place.ping.bind(place)
  let daemon: Daemon
  beforeAll(async () => {
    await place.start(
      { lab: { mode: 'internal' } },
      { ...place.port('a', 'lab', '10.1.0.11'), ...place.port('b', 'lab', '10.1.0.12') },
    )
    daemon = place.daemon
  })
  afterAll(cleanup)

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
    expect((await must(['pgrep', '-fc', `${daemon.socket} capture a icmp`]).catch(() => '0')).trim()).toBe(
      '0',
    )
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
    const { bytes } = await iperf(stations.a, stations.b, '10.1.0.12', '-n', '64M')
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

  it('come whole through a pipe that is read late', async () => {
    const file = join(daemon.folder, 'late.pcapng')
    const command = `${process.execPath} ${program} --socket ${daemon.socket} capture a -c 300 tcp`
    const child = daemon.host.spawn('bash', '-c', `set -o pipefail; ${command} | (sleep 1.5; cat) > ${file}`)
    const ended = new Promise((resolve) => child.once('close', resolve))
    await eventually('it captures', async () => /captures [1-9]/.test(await daemon.cli('top', '--once')))
    await iperf(stations.a, stations.b, '10.1.0.12', '-n', '64M')
    expect(await ended).toBe(0)
    expect(readCapture(file).packets).toHaveLength(300)
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
    [['a', 'inbound'], /^bridgeport: filter inbound: .*see --direction/],
    [['a', '-w', '/nowhere/f'], /^bridgeport: file \/nowhere\/f: .*choose another with -w/],
  ])('are refused: %j', async (argv, line) => {
    const { status, stderr } = await daemon.attempt(['capture', '-w', '/dev/null', ...argv])
    expect(status).toBe(1)
    if (typeof line === 'string') expect(stderr).toBe(`bridgeport: ${line}\n`)
    else expect(stderr).toMatch(line)
  })

  it('end in order when the switch ends; without libpcap only filters are refused', async () => {
    const recorder = await Recorder.start(daemon, 'a', 'icmp')
    await ping('a', '10.1.0.12', '-c', '2', '-i', '1')
    expect(await daemon.stop()).toBe(0)
    const { packets, statistics } = await recorder.end()
    expect([packets.length, statistics.length]).toEqual([4, 1])
    const hide =
      'for f in $(ldconfig -p | sed -n "s/.*libpcap.* => //p"); do mount --bind /dev/null $f; done; exec "$@"'
    const up = ['-m', 'sh', '-c', hide, 'sh', process.execPath, program, 'up', '-c', daemon.file]
    daemon.write({ networks: { lab: { mode: 'internal' } }, ports: place.port('z', 'lab', '10.9.0.1') })
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
