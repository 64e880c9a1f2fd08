/** Rules as users have them: a file, what is restored in its place, what a running switch refuses, and what they count. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../../src/cli/client.ts'
import type { RuleRow } from '../../src/control/counts.ts'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, type Result } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Pinger } from '../lab/pinger.ts'

const lab = {
  mode: 'nat',
  subnet: '10.8.0.0/24',
  gateway: '10.8.0.1',
  uplink: 'none',
  dhcp: 'off',
  dns: 'off',
}
const other = { ...lab, subnet: '10.9.0.0/24', gateway: '10.9.0.1' }
const [A, B, FAR] = ['10.8.0.11', '10.8.0.12', '10.9.0.11']
const GATEWAY = '10.8.0.1'

/** A whole table. */
const table = (name: string, ...lines: string[]) => `*${name}\n${lines.join('\n')}\nCOMMIT\n`
const filter = (...lines: string[]) => table('filter', ...lines)
const DEAF = filter('-A INPUT -i lab -p icmp -j DROP')

suite('rules', ['promtool'], () => {
  let a: Namespace
  let b: Namespace
  let far: Namespace
  let daemon: Daemon
  let file: string
  const tap = (network: string, place: Namespace, address: string) => ({
    network,
    type: 'tap',
    netns: place.name,
    ifname: 'eth0',
    address: `${address}/24`,
  })
  const configuration = () => ({
    rules: 'my.rules',
    networks: { lab, other },
    ports: { a: tap('lab', a, A), b: tap('lab', b, B), far: tap('other', far, FAR) },
  })

  beforeAll(async () => {
    ;[a, b, far] = ['a', 'b', 'far'].map((label) => new Namespace(label)) as [Namespace, Namespace, Namespace]
    daemon = new Daemon(configuration())
    file = join(daemon.folder, 'my.rules')
    writeFileSync(file, DEAF)
    await daemon.up()
  })
  afterAll(cleanup)

  const save = (...options: string[]) => daemon.cli('rules', 'save', ...options)
  const restore = (input: string, ...options: string[]): Promise<Result> =>
    daemon.attempt(['rules', 'restore', ...options], { input })
  const rows = async () => JSON.parse(await save('--json')) as RuleRow[]

  async function accepted(input: string, ...options: string[]): Promise<void> {
    if (options.length === 0) await call(daemon.socket, 'PUT', '/v1/rules', input)
    else expect(await restore(input, ...options)).toMatchObject({ status: 0, stdout: '', stderr: '' })
  }

  /** A network without a way outside gives no route: what is between two has to be asked for. */
  async function lead(place: Namespace, to: string, via: string): Promise<void> {
    await place.exec(['ip', 'route', 'add', to, 'via', via])
  }

  /** True if somebody answers a ping. */
  async function hears(from: Namespace, to: string): Promise<boolean> {
    return (await from.attempt(['ping', '-c', '1', '-W', '1', to])).status === 0
  }

  describe('the file', () => {
    it('is in force from the start, by a path beside the configuration', async () => {
      expect(await hears(a, GATEWAY)).toBe(false)
      expect(await hears(a, B)).toBe(true)
      expect(await save('-c')).toMatch(/^\[[1-9]\d*:\d+\] -A INPUT -i lab -p icmp -j DROP$/m)
    })

    it('is read again by a reload', async () => {
      writeFileSync(file, filter('-A INPUT -i other -j DROP'))
      await daemon.cli('reload')
      expect(await hears(a, GATEWAY)).toBe(true)
      expect(await hears(far, '10.9.0.1')).toBe(false)
    })

    it('that is wrong refuses the reload, and the rules go on', async () => {
      const before = await save()
      writeFileSync(file, filter('-A INPUT -i lab -j DROP', '-A INPUT -j NOWHERE'))
      const result = await daemon.attempt(['reload'])
      expect(result).toMatchObject({ status: 1, stdout: '' })
      expect(result.stderr).toMatch(new RegExp(`^bridgeport: ${file}: line 3, column 13: NOWHERE: .+; .+\n$`))
      expect(await save()).toBe(before)
      expect(await hears(a, GATEWAY)).toBe(true)
      writeFileSync(file, filter('-A INPUT -i other -j DROP'))
    })
  })

  describe('what is restored', () => {
    it('is in force at once, and holds over reloads and a restart as long as the file is the same', async () => {
      await accepted(DEAF)
      expect(await hears(a, GATEWAY)).toBe(false)
      await daemon.cli('reload')
      expect(await save()).toContain('-A INPUT -i lab -p icmp -j DROP')
      await daemon.stop()
      await daemon.up()
      expect(await hears(a, GATEWAY)).toBe(false)
      expect(await hears(far, '10.9.0.1')).toBe(true)
      writeFileSync(file, filter('-A INPUT -i other -j DROP', '-A OUTPUT -o nothing -j DROP'))
      await daemon.cli('reload')
      expect(await hears(a, GATEWAY)).toBe(true)
      expect(await hears(far, '10.9.0.1')).toBe(false)
      expect(await save()).not.toContain('-A INPUT -i lab')
    })

    it('goes when the file has changed while no switch ran', async () => {
      await accepted(DEAF)
      await daemon.stop()
      writeFileSync(file, filter('-A INPUT -i other -j REJECT'))
      await daemon.up()
      expect(await save()).toContain('-A INPUT -i other -j REJECT')
      expect(await save()).not.toContain('-A INPUT -i lab')
    })

    it('that cannot be kept is not in force either', async () => {
      await accepted(filter('-A INPUT -i other -j DROP'))
      const before = await save()
      const blocked = join(daemon.folder, 'state', 'rules.v4.new')
      mkdirSync(blocked)
      const result = await restore(DEAF + table('nat', '-A POSTROUTING -j ACCEPT'))
      expect(result).toMatchObject({ status: 1, stdout: '' })
      expect(result.stderr).toMatch(/^bridgeport: \S+\/state\/rules\.v4: .+; make room for it .+\n$/)
      rmSync(blocked, { recursive: true })
      expect(await save()).toBe(before)
      expect(await hears(a, GATEWAY)).toBe(true)
    })

    it('is what was saved, counters and all, from a file or from what comes in', async () => {
      await accepted(DEAF)
      await hears(a, GATEWAY)
      const saved = await save('--counters')
      const counted = /^\[(\d+:\d+)\] -A INPUT -i lab -p icmp -j DROP$/m.exec(saved)?.[1]
      expect(counted).not.toBe('0:0')
      const path = join(folder('rules'), 'saved')
      writeFileSync(path, saved)
      await accepted(filter(''))
      await daemon.cli('rules', 'restore', '--counters', path)
      expect(await save('-c')).toBe(saved)
      await accepted(filter(''))
      await daemon.cli('rules', 'restore', path)
      expect(await save('-c')).toContain('[0:0] -A INPUT -i lab -p icmp -j DROP')
    })

    it('leaves what it does not name, and adds with --noflush', async () => {
      await accepted(table('nat', '-A POSTROUTING -j ACCEPT') + filter('-A INPUT -i other -j DROP'))
      await accepted(filter('-A OUTPUT -o nothing -j DROP'), '-n')
      await accepted(table('raw', '-A PREROUTING -j ACCEPT') + filter(''), '--table', 'raw')
      for (const rule of ['-A POSTROUTING -j ACCEPT', '-A INPUT -i other', '-A OUTPUT -o nothing', '*raw'])
        expect(await save()).toContain(rule)
      await accepted(table('nat', '') + table('raw', '') + filter(''))
      expect((await rows()).filter(({ number }) => number > 0)).toEqual([])
    })
  })

  describe('between networks', () => {
    beforeAll(async () => {
      for (const place of [a, b]) await lead(place, '10.9.0.0/24', GATEWAY)
      await lead(far, '10.8.0.0/24', '10.9.0.1')
    })

    it('a rule opens, a policy does not; what is restored holds for connections under way', async () => {
      await accepted(filter(':FORWARD ACCEPT'))
      expect(await hears(a, FAR)).toBe(false)
      await accepted(
        filter(
          '-A FORWARD -i lab -o other -j ACCEPT',
          '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT',
        ),
      )
      expect(await hears(a, FAR)).toBe(true)
      expect(await hears(far, A)).toBe(false)
      await accepted(
        filter('-A FORWARD -i a -o far -j ACCEPT', '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT'),
      )
      expect([await hears(a, FAR), await hears(b, FAR)]).toEqual([true, false])
    })

    it('a port that comes later bears its name', async () => {
      await accepted(
        filter(
          '-A FORWARD -i late -o other -j ACCEPT',
          '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT',
        ),
      )
      const late = new Namespace('late')
      const options = ['--network', 'lab', '--type', 'tap', '--netns', late.name, '--ifname', 'eth0']
      await daemon.cli('port', 'add', 'late', ...options, '--address', '10.8.0.13/24')
      await lead(late, '10.9.0.0/24', GATEWAY)
      expect([await hears(late, FAR), await hears(a, FAR)]).toEqual([true, false])
      await daemon.cli('port', 'rm', 'late')
    })
  })

  it('metrics count by comment or by what a rule says', async () => {
    const comment = '-m comment --comment "pings, \\"all\\" of them"'
    await accepted(filter(`-A INPUT -i lab -p icmp ${comment} -j ACCEPT`, '-A INPUT -i other -j ACCEPT'))
    await hears(a, GATEWAY)
    const text = await daemon.get('/metrics')
    expect(text).toMatch(
      /^bridgeport_rule_packets_total\{table="filter",chain="INPUT",rule="pings, \\"all\\" of them"\} [1-9]/m,
    )
    expect(text).toMatch(
      /^bridgeport_rule_bytes_total\{table="filter",chain="INPUT",rule="[0-9a-f]{12}"\} 0$/m,
    )
    expect(text).toMatch(
      /^bridgeport_rule_packets_total\{table="filter",chain="FORWARD",rule="policy"\} \d+$/m,
    )
    const result = await attempt(['promtool', 'check', 'metrics'], { input: text })
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })

  it('10,000 rules are restored, saved, counted and replaced while packets pass', async () => {
    const many = Array.from(
      { length: 10_000 },
      (_, n) => `-A INPUT -s 10.${100 + (n >> 8)}.${n & 255}.0/24 -p tcp -m tcp --dport ${n + 1} -j ACCEPT`,
    )
    const pinger = new Pinger(a, GATEWAY, 0.01)
    for (const last of ['-A INPUT -i other -j DROP', '-A INPUT -i lab -p icmp -j ACCEPT'])
      await accepted(filter(':INPUT ACCEPT', ...many, last))
    const saved = await save()
    expect(saved.split('\n').filter((line) => line.startsWith('-A INPUT'))).toEqual([
      ...many,
      '-A INPUT -i lab -p icmp -j ACCEPT',
    ])
    expect((await daemon.get('/metrics')).match(/^bridgeport_rule_packets_total/gm)?.length).toBeGreaterThan(
      10_000,
    )
    expect(await pinger.stop(200)).toEqual([])
    await hears(a, GATEWAY)
    expect(await save('-c')).toMatch(/^\[[1-9]\d*:\d+\] -A INPUT -i lab -p icmp -j ACCEPT$/m)
    await accepted(filter(''))
    expect(readFileSync(join(daemon.folder, 'state', 'rules.v4'), 'utf8')).toMatch(
      /^# bridgeport: .*\n\*filter\n/,
    )
  })
})
