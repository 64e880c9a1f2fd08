/** The flow log as operators read it: lines of a file, and what foreign collectors make of its IPFIX. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { FlowLine } from '../../src/control/flowlog/line.ts'
import type { FlowRow, WayRow } from '../../src/control/flows.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, must, mustSync, pause, says } from '../lab/command.ts'
import { program } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { GATEWAY, OUTSIDE, type Outdoors, outdoors, WORLD } from '../lab/outdoors.ts'
import { suite } from '../lab/peer.ts'

const COLLECTOR = '127.0.0.1:4739'
const PORT = '4739'
const echo = join(dirname(fileURLToPath(import.meta.url)), '../lab/echo.mjs')
const network = { publish: ['udp::5353-10.0.2.15:53'] }
const conntrack = { timeouts: { icmp: '1s', tcpTimeWait: '1s', tcpClose: '1s' } }
/** One connection that stays, and one datagram to each of `count` ports from the 20,000th on. */
const hold = `require('net').connect(7000, '${WORLD}', () => console.log('connected'))`
const datagrams = (count: number) => `const s = require('dgram').createSocket('udp4'); let n = 0
  const next = () => { for (let i = 0; i < 200 && n < ${count}; i++) s.send('x', 20000 + n++, '${WORLD}')
    if (n < ${count}) setTimeout(next, 10); else setTimeout(() => s.close(), 50) }
  next()`

/** A record as nfdump prints it. */
type Collected = Record<string, unknown>

/** Whether nfdump's record is of that line's event: what nfdump 1.7 has no name for, a begin that translates nothing, is one without packets. */
function isSame(record: Collected, { event, time, number, original, translated }: FlowLine): boolean {
  const { source, destination, sourcePort } = original
  if (record.proto !== number || record.src4_addr !== source || record.dst4_addr !== destination) return false
  if (number === 1 ? record.icmp_type !== 8 : record.src_port !== sourcePort) return false
  if (translated === null)
    return record.nat_event === undefined && (record.in_packets === 0) === (event === 'begin')
  const name = `NAT44 session ${event === 'begin' ? 'create' : 'delete'}`
  const [from, to] = [record.src4_xlt_ip, record.dst4_xlt_ip]
  if (from !== translated.source || to !== translated.destination) return false
  if (number !== 1 && record.src_xlt_port !== String(translated.sourcePort)) return false
  // It leaves out zeros behind the point.
  const [seconds, ms = ''] = String(record.t_event).split('.')
  return record.nat_event === name && `${seconds}.${ms.padStart(3, '0')}Z` === time
}

suite('the flow log', ['nfcapd', 'nfdump', 'tcpdump', 'tshark', 'ss'], () => {
  let scene: Outdoors
  let collector: ChildProcess
  let witness: ChildProcess
  let file = ''
  const flows = folder('nfcapd')
  const packets = join(folder('tcpdump'), 'ipfix.pcap')
  const both = { file: 'flows.jsonl', ipfix: COLLECTOR, domain: 77 }

  const read = (path = file): FlowLine[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  const lines = (which: (line: FlowLine) => boolean, path = file) => read(path).filter(which)
  const begun = (protocol: string, port?: number) => (line: FlowLine) =>
    line.event === 'begin' &&
    line.protocol === protocol &&
    [undefined, line.original.destinationPort].includes(port)
  const has = (what: string, count: number, which: (line: FlowLine) => boolean, path = file) =>
    eventually(what, () => existsSync(path) && lines(which, path).length === count)
  const rows = async (): Promise<FlowRow[]> => JSON.parse(await scene.daemon.cli('conntrack', 'ls', '--json'))
  const change = (settings: object) => scene.daemon.reload({ ...scene.with(network), conntrack, ...settings })
  const node = (...args: string[]) => scene.guests[0].exec([process.execPath, ...args])

  beforeAll(async () => {
    scene = await outdoors(network, { conntrack })
    const { daemon, world, guests } = scene
    const { host } = daemon
    file = join(daemon.folder, 'state/flows.jsonl')
    collector = host.spawn('nfcapd', '-w', flows, '-b', '127.0.0.1', '-p', PORT, '-B', '4000000')
    witness = host.spawn('tcpdump', '-i', 'lo', '--immediate-mode', '-U', '-w', packets, 'udp', 'port', PORT)
    await Promise.all([
      says(world.spawn(process.execPath, echo, 'serve', '7000'), /listening/),
      says(witness, /listening on/),
      eventually('nfcapd', async () => (await host.exec(['ss', '-lnu'])).includes(COLLECTOR)),
    ])
    await says(guests[0].spawn(process.execPath, '-e', hold), /connected/)
  })
  afterAll(cleanup)

  it('leaves nothing unless it is asked for', async () => {
    await node('-e', datagrams(1))
    await scene.daemon.cli('conntrack', 'flush', '--protocol', 'udp')
    expect(existsSync(file)).toBe(false)
    expect(await scene.daemon.host.exec(['ss', '-Hnua'])).not.toContain('bridgeport')
  })

  it('tells of begins and ends what conntrack says of the connections', async () => {
    await change({ flowLog: both })
    const beganMs = Date.now()
    await node(echo, 'send', '7000', WORLD, '100000')
    const tookSeconds = (Date.now() - beganMs) / 1000
    await node('-e', datagrams(1))
    await scene.guests[0].exec(['ping', '-c', '1', WORLD])
    await has('the ends', 2, ({ event }) => event === 'end')
    const plain = ({ packets: _, bytes: __, ...tuple }: WayRow) => tuple
    const left = await rows()
    expect(left.map(({ protocol }) => protocol).sort()).toEqual(['tcp', 'udp'])
    const [begin] = lines(begun('udp'))
    const udp = left.find(({ protocol }) => protocol === 'udp') as FlowRow
    expect(begin).toMatchObject({ network: 'lan', egress: 'lan-uplink', number: 17, state: null, mark: 0 })
    expect([begin.original, begin.reply]).toEqual([plain(udp.original), plain(udp.reply)])
    const { sourcePort, destinationPort } = udp.original
    expect(begin.translated).toEqual({ source: OUTSIDE, destination: WORLD, sourcePort, destinationPort })
    const [closed] = lines(({ event, protocol }) => event === 'end' && protocol === 'tcp')
    expect(closed).toMatchObject({ reason: 'closed', assured: true })
    expect(closed.durationSeconds).toBeLessThan(tookSeconds + 1)
    expect((closed.original as WayRow).bytes).toBeGreaterThan(100_000)
    await scene.daemon.cli('conntrack', 'flush')
    await has('the flushed', 2, ({ reason }) => reason === 'forgotten')
    for (const row of left) {
      const [end] = lines(({ reason, protocol }) => reason === 'forgotten' && protocol === row.protocol)
      const { original, reply, state, replied, assured } = row
      expect(end).toMatchObject({ original, reply, state, replied, assured })
      // The connection from before the log was on has no begin that anybody saw.
      if (row.protocol === 'tcp') expect(end.durationSeconds).toBe(null)
      else expect(end.durationSeconds).toBeLessThan(1)
    }
  })

  it('tells of connections that rules let pass, and of those to the gateway itself', async () => {
    const text = '*mangle\n-A FORWARD -j CONNMARK --set-mark 7\nCOMMIT\n*filter\n-A INPUT -j ACCEPT\nCOMMIT\n'
    await scene.daemon.attempt(['rules', 'restore'], { input: text })
    await node('-e', datagrams(1))
    await scene.guests[0].exec(['ping', '-c', '1', GATEWAY])
    await has(
      'the end of the echo',
      1,
      ({ event, original }) => event === 'end' && original.destination === GATEWAY,
    )
    expect(lines(begun('udp')).at(-1)).toMatchObject({ mark: 7, translated: { source: OUTSIDE } })
    const own = lines(({ original }) => original.destination === GATEWAY)
    expect(own.map(({ event, egress, translated }) => [event, egress, translated])).toEqual([
      ['begin', '', null],
      ['end', '', null],
    ])
    await scene.daemon.attempt(['rules', 'restore'], { input: '' })
  })

  it('tells of what comes from outside', async () => {
    const knock = `require('dgram').createSocket('udp4').send('x', 5353, '${OUTSIDE}', () => process.exit())`
    await scene.world.exec([process.execPath, '-e', knock])
    await has('the begin', 1, begun('udp', 5353))
    const [line] = lines(begun('udp', 5353))
    expect(line).toMatchObject({ network: 'lan-uplink', egress: 'lan', original: { source: WORLD } })
    expect(line.translated).toMatchObject({ source: WORLD, destination: '10.0.2.15', destinationPort: 53 })
  })

  it('is read by nfdump and tshark', async () => {
    await scene.daemon.cli('conntrack', 'flush')
    // The connection that stays began before the log.
    const ends = () => lines(({ event }) => event === 'end').length
    await eventually('all ends', () => ends() === read().length - ends() + 1)
    const heard = async () =>
      / 0 +\d+ +127\.0\.0\.1:4739 /.test(await scene.daemon.host.exec(['ss', '-Hlnu']))
    await eventually('nfcapd has heard all', heard)
    const told = read()
    for (const child of [collector, witness]) {
      child.kill('SIGTERM')
      await eventually('its end', () => child.exitCode !== null || child.signalCode !== null)
    }
    const json = await must(['nfdump', '-R', flows, '-o', 'json'], { env: { TZ: 'UTC' } })
    const records: Collected[] = JSON.parse(json)
    expect(records).toHaveLength(told.length)
    for (const line of told) {
      const found = records.filter((record) => isSame(record, line))
      expect(found, JSON.stringify(line)).toHaveLength(1)
      if (line.event === 'begin') continue
      const [original, reply] = [line.original as WayRow, line.reply as WayRow]
      expect(found[0]).toMatchObject({ in_packets: original.packets, in_bytes: original.bytes })
      expect(found[0]).toMatchObject({ out_packets: reply.packets, out_bytes: reply.bytes })
    }
    const shark = ['tshark', '-r', packets, '-d', `udp.port==${PORT},cflow`]
    const seen = async (field: string, value: number) => {
      const text = await must([...shark, '-T', 'fields', '-e', `cflow.${field}`])
      return text.split(/[\s,]+/).filter((each) => each === String(value)).length
    }
    const count = (which: (line: FlowLine) => boolean) => told.filter(which).length
    expect(await seen('firewall_event', 1)).toBe(count(({ event }) => event === 'begin'))
    expect(await seen('firewall_event', 2)).toBe(count(({ event }) => event === 'end'))
    expect(await seen('nat_originating_address_realm', 2)).toBe(2)
    expect(await must([...shark, '-Y', '_ws.malformed || _ws.expert'])).toBe('')
    expect(await must([...shark, '-V'])).toContain('lan-uplink')
  })

  it('begins another file at SIGHUP, and tells of a collector that is gone', async () => {
    renameSync(file, `${file}.1`)
    const before = read(`${file}.1`).length
    await node('-e', datagrams(1))
    await has('the last line', before + 1, () => true, `${file}.1`)
    process.kill(scene.daemon.pid, 'SIGHUP')
    await eventually('another file', () => existsSync(file))
    await node('-e', datagrams(2))
    await has('the first lines', 1, begun('udp', 20_001))
    expect(read(`${file}.1`)).toHaveLength(before + 1)
    await eventually('it is told', () => scene.daemon.output.includes('the collector: it refuses them'))
    expect(await scene.daemon.get('/metrics')).toMatch(/^bridgeport_flow_log_lost_total [1-9]/m)
  })

  it('goes on after a full disk, and counts what it could not write', async () => {
    const disk = folder('disk')
    mustSync('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk)
    defer(() => mustSync('umount', disk))
    const path = join(disk, 'flows.jsonl')
    writeFileSync(join(disk, 'filler'), new Uint8Array(60_000))
    await scene.daemon.cli('conntrack', 'flush')
    await change({ flowLog: { ...both, file: path } })
    await node('-e', datagrams(20))
    await eventually('it is told', () => scene.daemon.output.includes('the flow log cannot be written'))
    rmSync(join(disk, 'filler'))
    await has('the begins', 20, begun('udp'), path)
    await eventually('it is told', () => scene.daemon.output.includes('the flow log is written again'))
    await scene.daemon.cli('conntrack', 'flush')
    await has('the ends', 20, ({ event }) => event === 'end', path)
  })

  it('tells of each of many connections', async () => {
    await change({ flowLog: { file: 'many.jsonl' } })
    const path = join(dirname(file), 'many.jsonl')
    const counted = async (name: string) => {
      const found = new RegExp(`^bridgeport_${name}_total (\\d+)$`, 'm').exec(
        await scene.daemon.get('/metrics'),
      )
      return Number(found?.[1])
    }
    const [before, lost] = [await counted('flows_created'), await counted('flow_log_lost')]
    await node('-e', datagrams(10_000))
    const made = (await counted('flows_created')) - before
    expect(made).toBeGreaterThan(1000)
    await scene.daemon.cli('conntrack', 'flush')
    await eventually('all lines', async () => {
      await pause(200)
      return readFileSync(path, 'utf8').split('\n').length - 1 === 2 * made
    })
    expect(await counted('flow_log_lost')).toBe(lost)
    const ports = new Set(
      lines(({ event }) => event === 'end', path).map(({ original }) => original.destinationPort),
    )
    expect(ports.size).toBe(made)
  })

  it('ends when it is asked for no more, and connections go on', async () => {
    await node('-e', datagrams(1))
    const [flow] = await rows()
    await change({})
    const path = join(dirname(file), 'many.jsonl')
    const before = readFileSync(path, 'utf8')
    expect(await rows()).toMatchObject([{ original: flow.original }])
    await node('-e', datagrams(2))
    await pause(300)
    expect(readFileSync(path, 'utf8')).toBe(before)
  })

  it('tells of the end of every connection when the switch ends', async () => {
    await change({ flowLog: { file: 'last.jsonl' } })
    await node('-e', datagrams(1))
    const path = join(dirname(file), 'last.jsonl')
    await has('the begin', 1, begun('udp'), path)
    const count = (await rows()).length
    expect(await scene.daemon.stop()).toBe(0)
    expect(lines(({ reason }) => reason === 'forgotten', path)).toHaveLength(count)
  })

  it('refuses a file that cannot be written', async () => {
    const { daemon } = scene
    daemon.write({ ...scene.with(network), flowLog: { file: '/nowhere/flows.jsonl' } })
    const { status, stderr } = await daemon.host.attempt([process.execPath, program, 'up', '-c', daemon.file])
    expect(status).toBe(1)
    expect(stderr.trim()).toMatch(
      /^bridgeport: flowLog\.file \/nowhere\/flows\.jsonl: ENOENT.*; name a file that can be written$/,
    )
  })
})
