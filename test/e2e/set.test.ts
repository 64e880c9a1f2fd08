/** Sets as users have them: a file, rules that ask them, changed while packets pass, kept over a restart. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { SetRow } from '../../src/control/roll.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const GATEWAY = '10.8.0.1'
const A = '10.8.0.11'
const SETS = `create blocked hash:ip timeout 600
create nets hash:net
create ports bitmap:port range 0-1023
create all list:set
add nets 192.0.2.0/24
add nets 192.0.2.128/25 nomatch
add all blocked
add all nets
`
const RULES = `*filter
-A INPUT -p icmp -m set --match-set all src -j DROP
-A INPUT -p udp --dport 7000 -j SET --add-set blocked src --exist --timeout 60
COMMIT
`

suite('sets', [], () => {
  let a: Namespace
  let daemon: Daemon
  const place = (name: string) => join(daemon.folder, name)

  beforeAll(async () => {
    a = new Namespace('a')
    const lab = {
      mode: 'nat',
      subnet: '10.8.0.0/24',
      gateway: GATEWAY,
      uplink: 'none',
      dhcp: 'off',
      dns: 'off',
    }
    const tap = { network: 'lab', type: 'tap', netns: a.name, ifname: 'eth0', address: `${A}/24` }
    const files = { rules: 'my.rules', sets: 'my.sets' }
    daemon = new Daemon({ networks: { lab }, ports: { a: tap }, ...files })
    writeFileSync(place('my.rules'), RULES)
    writeFileSync(place('my.sets'), SETS)
    await daemon.up()
  })
  afterAll(cleanup)

  const set = (...argv: string[]) => daemon.cli('set', ...argv)
  const status = async (...argv: string[]) => (await daemon.attempt(['set', ...argv])).status
  const refusal = async (argv: string[], input = '') => {
    const result = await daemon.attempt(['set', ...argv], { input })
    expect(result).toMatchObject({ status: 1, stdout: '' })
    return result.stderr
  }
  const pings = async () => (await a.attempt(['ping', '-c', '1', '-W', '1', GATEWAY])).status === 0
  const rows = async () => JSON.parse(await daemon.ask('/v1/sets')) as SetRow[]
  const names = async () => (await rows()).map(({ name }) => name)

  it('come from the file, and are printed as ipset does', async () => {
    expect(await names()).toEqual(['blocked', 'nets', 'ports', 'all'])
    const text = await set('save')
    expect(text).toMatch(
      /^create blocked hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 bucketsize 12 initval 0x\w{8}\n/,
    )
    expect(text).toContain('add nets 192.0.2.128/25 nomatch\n')
    expect(text).toMatch(/create all list:set size 8\nadd all blocked\nadd all nets\n$/)
    expect(await set('save', 'ports')).toBe('create ports bitmap:port range 0-1023\n')
    expect(await set('ls')).toMatch(/^NAME +TYPE +ENTRIES/)
    expect(JSON.parse(await set('ls', '--json'))).toEqual(await rows())
    expect(await set('ls', 'nets')).toMatch(/192\.0\.2\.128\/25 +- +nomatch/)
  })

  it('change while packets pass', async () => {
    expect(await pings()).toBe(true)
    await set('add', 'blocked', A)
    expect(await pings()).toBe(false)
    expect(await status('test', 'blocked', A)).toBe(0)
    await set('del', 'blocked', A)
    expect(await pings()).toBe(true)
    expect(await status('test', 'blocked', A)).toBe(1)
    await set('add', 'nets', '10.8.0.0/28')
    expect(await pings()).toBe(false)
    await set('add', 'nets', A, 'nomatch')
    expect([
      await pings(),
      await status('test', 'nets', A),
      await status('test', 'nets', A, 'nomatch'),
    ]).toEqual([true, 1, 0])
    await set('flush', 'nets')
    await set('add', 'blocked', A, 'timeout', '1')
    expect(await pings()).toBe(false)
    await eventually('the entry is late', pings)
    await eventually('it is swept', async () => (await rows())[0].entries.length === 0)
  })

  it('take what a rule puts into them', async () => {
    await a.exec(['bash', '-c', `echo x > /dev/udp/${GATEWAY}/7000`])
    await eventually('the sender is in the set', async () => (await status('test', 'blocked', A)) === 0)
    expect(await pings()).toBe(false)
    expect((await rows())[0].entries).toMatchObject([{ element: A }])
    await set('del', 'blocked', A)
  })

  it('are refused with the reason, and then are what they were', async () => {
    const before = await set('save')
    expect(await refusal(['destroy', 'all'])).toMatch(/all: rules use it; take it out of the rules before/)
    expect(await refusal(['destroy', 'nets'])).toMatch(/nets: list all has it/)
    expect(await refusal(['destroy', 'nobody'])).toMatch(/there is no set of that name/)
    expect(await refusal(['add', 'nobody', A])).toMatch(/there is no set of that name/)
    expect(await refusal(['add', 'ports', '1024'])).toMatch(/1024: is out of the set's range 0-1023/)
    expect(await refusal(['del', 'ports', '80'])).toMatch(/80: it is not in the set/)
    expect(await status('del', 'ports', '80', '--exist')).toBe(0)
    expect(await refusal(['create', 'x', 'hash:ip', 'counters'])).toMatch(/counters: is not available here/)
    const text = 'add ports 1-5\ncreate y hash:ip\nadd y 1.1.1.1\nadd y 1.1.1.300\n'
    expect(await refusal(['restore'], text)).toMatch(
      /standard input: line 4, column 7: 1\.1\.1\.300: is no IPv4/,
    )
    expect(await set('save')).toBe(before)
    expect(await status('test', 'blocked', `${A},80`)).toBe(1)
  })

  it('are restored whole, also those that rules ask', async () => {
    const text = `flush nets\nadd nets 10.8.0.0/24\ncreate spare hash:net\nadd spare 10.8.0.0/16 nomatch\n`
    expect(await daemon.attempt(['set', 'restore'], { input: text })).toMatchObject({ status: 0, stderr: '' })
    expect(await pings()).toBe(false)
    expect(await daemon.attempt(['set', 'restore'], { input: 'swap nets spare\n' })).toMatchObject({
      status: 0,
    })
    expect(await pings()).toBe(true)
    await set('create', 'mine', 'hash:ip,port', 'timeout', '100')
    await set('add', 'mine', '10.0.0.0/30,udp:53-54', 'timeout', '0')
    expect((await rows()).find(({ name }) => name === 'mine')?.entries).toHaveLength(8)
    expect(await refusal(['create', 'mine', 'hash:ip'])).toMatch(/there is a set of that name/)
  })

  it('survive a restart, as they were changed', async () => {
    await set('add', 'blocked', '10.8.0.99', 'timeout', '2')
    const before = (await set('save')).split('\n').sort()
    await daemon.stop()
    await pause(2000)
    await daemon.up()
    const after = (await set('save')).split('\n').sort()
    expect(after).toEqual(before.filter((line) => !line.includes('10.8.0.99')))
    expect(await pings()).toBe(true)
  })

  it('a reload leaves them alone until their file has changed', async () => {
    await daemon.cli('reload')
    expect(await names()).toContain('mine')
    writeFileSync(place('my.sets'), `${SETS}add nets 10.8.0.0/24\n`)
    await daemon.cli('reload')
    expect(await names()).toEqual(['blocked', 'nets', 'ports', 'all'])
    expect(await pings()).toBe(false)
    writeFileSync(place('my.sets'), 'create nets hash:net\nadd nets 1.1.1.1 bogus\n')
    expect((await daemon.attempt(['reload'])).stderr).toMatch(/my\.sets: line 2, column 18: bogus: /)
    writeFileSync(place('my.sets'), 'create nets hash:net\n')
    expect((await daemon.attempt(['reload'])).stderr).toMatch(/set blocked: rules use it/)
    expect(await pings()).toBe(false)
    writeFileSync(place('my.rules'), '*filter\nCOMMIT\n')
    await daemon.cli('reload')
    expect([await pings(), await names()]).toEqual([true, ['nets']])
    writeFileSync(place('my.rules'), RULES)
    expect((await daemon.attempt(['reload'])).stderr).toMatch(/my\.rules: line 2, column \d+: all: /)
    expect(readFileSync(place('my.sets'), 'utf8')).toBe('create nets hash:net\n')
  })
})
