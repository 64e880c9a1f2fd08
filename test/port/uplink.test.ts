/** The host's side of the uplink, in a namespace that plays the host; `nft`, `ip` and /proc/sys say what became of it. */
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { bundle } from '../lab/bundle.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, says } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const int32 = (text: string) => text.split('.').reduce((value, part) => (value << 8) | Number(part), 0)
const prefix = (text: string) => ({ address: int32(text.split('/')[0]), prefix: Number(text.split('/')[1]) })
const link = (ifname: string, sources: string[], routes: [string, string][] = []) => ({
  ifname,
  sources: sources.map(prefix),
  routes: routes.map(([subnet, via]) => ({ subnet: prefix(subnet), via: int32(via) })),
})

suite('uplink', ['nft'], () => {
  let program = ''
  let host: Namespace
  let state = ''
  beforeAll(() => {
    program = bundle('test/port/side.ts')
  })
  beforeEach(async () => {
    host = new Namespace('up')
    state = folder('uplink')
    for (const [ifname, address] of [
      ['wan', '192.0.2.2/24'],
      ['lan', '198.51.100.2/24'],
    ]) {
      await host.exec(['ip', 'link', 'add', ifname, 'type', 'veth', 'peer', 'name', `${ifname}-far`])
      await host.exec(['ip', 'link', 'set', `${ifname}-far`, 'up'])
      await host.exec(['ip', 'addr', 'add', address, 'dev', ifname])
      await host.exec(['ip', 'link', 'set', ifname, 'up'])
    }
    await host.exec(['ip', 'route', 'add', 'default', 'via', '192.0.2.1'])
    await host.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=0'])
  })
  afterAll(cleanup)

  const forwarding = async (ifname: string) =>
    (await host.exec(['cat', `/proc/sys/net/ipv4/conf/${ifname}/forwarding`])).trim()
  const both = async () => `${await forwarding('wan')} ${await forwarding('lan')}`
  const ruleset = () => host.exec(['nft', 'list', 'ruleset'])

  async function start(instance = 'aaaa') {
    const [command = '', ...args] = host.argv(process.execPath, program, instance, state)
    const child = spawn(command, args)
    defer(() => child.kill('SIGKILL'))
    await says(child, /started/)
    const tell = async (line: string) => {
      const answer = says(child, /^(done|error: .*)$/m)
      child.stdin.write(`${line}\n`)
      return (await answer).trim()
    }
    return { child, tell, set: (...links: object[]) => tell(`set ${JSON.stringify(links)}`) }
  }

  it('forwards and translates while a link is there, and gives everything back', async () => {
    const { tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    expect(await set(link('bp-one', ['100.64.0.2/32']))).toBe('done')
    expect([await both(), await forwarding('bp-one')]).toEqual(['1 0', '1'])
    expect(await ruleset()).toContain('ip saddr @links-aaaa masquerade')
    expect(await ruleset()).toContain('elements = { 100.64.0.2 }')

    await tell('tap bp-two 100.64.0.5/30')
    const two = link('bp-two', ['10.9.0.0/24'], [['10.9.0.0/24', '100.64.0.6']])
    expect(await set(link('bp-one', ['100.64.0.2/32']), two)).toBe('done')
    expect(await ruleset()).toContain('elements = { 10.9.0.0/24, 100.64.0.2 }')
    expect(await host.exec(['ip', 'route'])).toContain('10.9.0.0/24 via 100.64.0.6 dev bp-two')
    expect((await ruleset()).match(/masquerade/g)).toHaveLength(1)

    expect(await set(two)).toBe('done')
    expect(await ruleset()).not.toContain('100.64.0.2')
    expect(await tell('close')).toBe('done')
    expect([await both(), await ruleset(), existsSync(join(state, 'uplink.json'))]).toEqual([
      '0 0',
      '',
      false,
    ])
    expect(await host.exec(['ip', 'route'])).not.toContain('10.9.0.0/24')
  })

  it('leaves what was on as it is, and every rule of others', async () => {
    await host.exec(['sysctl', '-qw', 'net.ipv4.conf.wan.forwarding=1'])
    await host.exec(['nft', 'add table ip bridgeport; add chain ip bridgeport other; add table inet mine'])
    const { tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    await set(link('bp-one', ['100.64.0.2/32']))
    await tell('close')
    expect(await both()).toBe('1 0')
    expect((await ruleset()).replaceAll(/\s+/g, ' ').trim()).toBe(
      'table ip bridgeport { chain other { } } table inet mine { }',
    )
  })

  it('nat: false makes no table', async () => {
    const { tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    await set(link('bp-one', []))
    expect([await both(), await ruleset()]).toEqual(['1 0', ''])
  })

  it('follows the way outside, and makes again what somebody took away', async () => {
    const { tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    await set(link('bp-one', ['100.64.0.2/32']))
    await host.exec(['ip', 'route', 'replace', 'default', 'via', '198.51.100.1'])
    await eventually('the other interface forwards', async () => (await both()) === '0 1', 6000)
    await host.exec(['nft', 'flush', 'ruleset'])
    await eventually('the rule is back', async () => /masquerade/.test(await ruleset()), 6000)
    await host.exec(['sysctl', '-qw', 'net.ipv4.conf.lan.forwarding=0'])
    await eventually('it forwards again', async () => (await both()) === '0 1', 6000)
    await tell('close')
    expect(await both()).toBe('0 0')
  })

  it('sees the way outside where a VPN lays it, and every way on a host without one', async () => {
    const { tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    for (const half of ['0.0.0.0/1', '128.0.0.0/1'])
      await host.exec(['ip', 'route', 'add', half, 'via', '198.51.100.1'])
    await set(link('bp-one', ['100.64.0.2/32']))
    expect(await both()).toBe('0 1')
    for (const half of ['0.0.0.0/1', '128.0.0.0/1']) await host.exec(['ip', 'route', 'del', half])
    await host.exec(['ip', 'route', 'add', 'default', 'via', '198.51.100.1', 'table', '7'])
    await host.exec(['ip', 'rule', 'add', 'priority', '100', 'lookup', '7'])
    await set(link('bp-one', ['100.64.0.2/32']))
    expect(await both()).toBe('0 1')
    await host.exec(['ip', 'rule', 'del', 'priority', '100'])
    await host.exec(['ip', 'route', 'del', 'default'])
    await host.exec(['ip', 'route', 'del', 'default', 'table', '7'])
    await set(link('bp-one', ['100.64.0.2/32']))
    expect(await both()).toBe('1 1')
    await tell('close')
    expect(await both()).toBe('0 0')
  })

  it('does not turn off what somebody turned on for the whole host meanwhile', async () => {
    const { tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    await set(link('bp-one', ['100.64.0.2/32']))
    await host.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
    await tell('close')
    expect(await both()).toBe('1 1')
  })

  it('a killed switch leaves nothing: the reaper puts it back', async () => {
    const { child, tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    await set(link('bp-one', ['100.64.0.2/32']))
    child.kill('SIGKILL')
    await eventually('all is back', async () => (await both()) === '0 0' && (await ruleset()) === '', 6000)
  })

  it('the next start puts back what neither switch nor reaper could, of its own place and boot only', async () => {
    const first = await start()
    await first.tell('tap bp-one 100.64.0.1/30')
    await first.set(link('bp-one', ['100.64.0.2/32']))
    for (const pid of host.pids().filter((pid) => pid !== first.child.pid)) process.kill(pid, 'SIGKILL')
    first.child.kill('SIGKILL')
    await eventually('both are gone', () => host.pids().length === 0)
    expect([await both(), (await ruleset()) !== '']).toEqual(['1 0', true])

    const other = await start('bbbb')
    await other.tell('repair')
    expect(await ruleset()).toContain('postrouting-aaaa')
    await host.exec(['sysctl', '-qw', 'net.ipv4.conf.wan.forwarding=1'])
    writeFileSync(
      join(state, 'uplink.json'),
      JSON.stringify({ boot: 'another', namespace: '', all: '0', held: [{ ifname: 'wan', ifindex: 2 }] }),
    )
    const second = await start()
    expect(await second.tell('repair')).toBe('done')
    expect([await both(), await ruleset()]).toEqual(['1 0', ''])
  })

  it('refuses a route that the host has to somewhere else, and stays as it was', async () => {
    const { tell, set } = await start()
    await tell('tap bp-one 100.64.0.1/30')
    expect(await set(link('bp-one', ['100.64.0.2/32']))).toBe('done')
    await host.exec(['ip', 'route', 'add', '10.9.0.0/24', 'via', '198.51.100.1'])
    const twice = link('bp-one', ['10.9.0.0/24'], [['10.9.0.0/24', '100.64.0.2']])
    expect(await set(twice)).toMatch(/^error: .*EEXIST/)
    expect(await ruleset()).toContain('elements = { 100.64.0.2 }')
    expect(await host.exec(['ip', 'route'])).toContain('10.9.0.0/24 via 198.51.100.1')
  })
})
