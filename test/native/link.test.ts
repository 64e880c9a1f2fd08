import { afterAll, beforeAll, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup } from '../lab/cleanup.ts'
import { mustSync } from '../lab/command.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { probe } from './probe.ts'

suite('link', ['setpriv'], () => {
  let inside: Namespace
  let netns: string
  beforeAll(() => {
    inside = new Namespace('link')
    netns = inside.path
    mustSync(...inside.argv('ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1'))
  })
  afterAll(cleanup)

  it('sets everything at once, and again without complaint', async () => {
    const wanted = { mac: '52:54:00:12:34:56', mtu: 9000, alias: 'bridgeport:test:veth0' }
    for (const gateway of ['192.0.2.2', '192.0.2.3']) {
      const more = { up: true, arp: true, ipv6: false, address: '192.0.2.1/24', gateway }
      native.linkSet({ netns, ifname: 'veth0', ...wanted, ...more })
    }
    expect(native.linkGet(netns, 'veth0')).toMatchObject({
      ifname: 'veth0',
      up: true,
      kind: 'veth',
      ...wanted,
    })
    const [link] = JSON.parse(await inside.exec(['ip', '-j', 'addr', 'show', 'veth0']))
    const addresses = link.addr_info.map((entry: { local: string }) => entry.local)
    expect(addresses).toEqual(['192.0.2.1'])
    expect(link.addr_info[0]).toMatchObject({ prefixlen: 24, broadcast: '192.0.2.255' })
    const routes = JSON.parse(await inside.exec(['ip', '-j', 'route', 'show', 'default']))
    expect(routes).toMatchObject([{ gateway: '192.0.2.3', dev: 'veth0' }])
  })

  it('leaves the default route of another interface alone', () => {
    const failure = { code: 'EEXIST', syscall: 'RTM_NEWROUTE', interface: 'veth1' }
    const options = { netns, ifname: 'veth1', up: true, address: '198.51.100.1/24', gateway: '198.51.100.2' }
    expect(() => native.linkSet(options)).toThrow(expect.objectContaining(failure))
    expect(mustSync(...inside.argv('ip', 'route', 'show', 'default'))).toContain('dev veth0')
  })

  it('reports carrier apart from up', () => {
    expect(native.linkGet(netns, 'veth0')).toMatchObject({ up: true, carrier: true })
    native.linkSet({ netns, ifname: 'veth1', up: false })
    expect(native.linkGet(netns, 'veth0')).toMatchObject({ up: true, carrier: false })
    expect(native.linkGet(netns, 'veth1')).toMatchObject({ up: false, carrier: false })
  })

  it('turns ARP and IPv6 off and on', async () => {
    const sysctl = ['cat', '/proc/sys/net/ipv6/conf/veth1/disable_ipv6']
    native.linkSet({ netns, ifname: 'veth1', arp: false, ipv6: false })
    expect(await inside.exec(['ip', 'link', 'show', 'veth1'])).toContain('NOARP')
    expect(await inside.exec(sysctl)).toBe('1\n')
    native.linkSet({ netns, ifname: 'veth1', arp: true, ipv6: true })
    expect(await inside.exec(['ip', 'link', 'show', 'veth1'])).not.toContain('NOARP')
    expect(await inside.exec(sysctl)).toBe('0\n')
  })

  it('brings loopback up', async () => {
    const holder = new Namespace('link')
    await holder.exec(['ip', 'link', 'set', 'lo', 'down'])
    native.linkSet({ netns: holder.path, ifname: 'lo', up: true })
    expect(native.linkGet(holder.path, 'lo')?.up).toBe(true)
  })

  it('lists what ip(8) lists, many links too', async () => {
    const many = new Namespace('link')
    const pairs = Array.from(
      { length: 100 },
      (_, index) => `link add v${index} type veth peer name w${index}`,
    )
    await many.exec(['ip', '-batch', '-'], { input: pairs.join('\n') })
    const listed = JSON.parse(await many.exec(['ip', '-j', 'link'])) as { ifname: string; ifindex: number }[]
    const expected = listed.map(({ ifname, ifindex }) => `${ifindex} ${ifname}`)
    expect(native.linkList(many.path).map(({ ifname, ifindex }) => `${ifindex} ${ifname}`)).toEqual(expected)
  })

  it('says null and false for a link that is not there', () => {
    expect(native.linkGet(netns, 'absent')).toBeNull()
    expect(native.linkDelete(netns, 'absent')).toBe(false)
    expect(() => native.linkSet({ netns, ifname: 'absent', up: true })).toThrow(/absent: ENODEV/)
  })

  it.each([
    [{ mtu: 1_000_000 }, 'EINVAL', 'RTM_SETLINK mtu'],
    [{ mac: '01:00:5e:00:00:01' }, 'EADDRNOTAVAIL', 'RTM_SETLINK mac'],
    [{ mac: '52:54:00' }, 'EINVAL', 'RTM_SETLINK mac'],
    [{ address: '192.0.2.1' }, 'EINVAL', 'RTM_NEWADDR'],
    [{ address: '192.0.2.256/24' }, 'EINVAL', 'RTM_NEWADDR'],
    [{ gateway: 'here' }, 'EINVAL', 'RTM_NEWROUTE'],
    [{ gateway: '203.0.113.1' }, 'ENETUNREACH', 'RTM_NEWROUTE'],
  ])('refuses %o with %s', (options, code, syscall) => {
    const failure = { code, syscall, interface: 'veth1' }
    const up = { netns, ifname: 'veth1', up: true }
    expect(() => native.linkSet({ ...up, ...options })).toThrow(expect.objectContaining(failure))
  })

  it('refuses long names with EINVAL and namespaces that are gone with ENOENT', () => {
    const long = expect.objectContaining({ code: 'EINVAL', interface: 'sixteen-letters-' })
    expect(() => native.linkGet(netns, 'sixteen-letters-')).toThrow(long)
    expect(() => native.linkSet({ netns, ifname: 'sixteen-letters-' })).toThrow(long)
    const gone = expect.objectContaining({ code: 'ENOENT', path: '/run/netns/no-such-namespace' })
    expect(() => native.linkList('/run/netns/no-such-namespace')).toThrow(gone)
  })

  it('passes on EPERM', async () => {
    const call = `return attempt(() => native.linkSet({ netns: '', ifname: 'lo', up: true }))`
    const found = await probe(call, [...inside.argv(), 'setpriv', '--bounding-set=-net_admin'])
    expect(found).toEqual(['EPERM', 'RTM_SETLINK flags', 'lo'])
  })

  it('deletes many at once, whoever of them is gone already, and no other', async () => {
    const room = new Namespace('link')
    const links = [1, 2, 3, 4].map((number) => `tuntap add d${number} mode tap`)
    await room.exec(['ip', '-batch', '-'], { input: links.join('\n') })
    const indexes = [1, 2, 3].map((number) => native.linkGet(room.path, `d${number}`)?.ifindex ?? 0)
    native.linkDelete(room.path, 'd2')
    native.linkSweep(room.path, indexes)
    expect(room.interfaces()).toEqual(['d4'])
    native.linkSweep(room.path, indexes)
    expect(room.interfaces()).toEqual(['d4'])
  })

  it('deletes', () => {
    expect(native.linkDelete(netns, 'veth0')).toBe(true)
    expect(inside.interfaces()).toEqual([])
  })
})
