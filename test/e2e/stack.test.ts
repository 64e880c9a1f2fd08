/** Linux stacks in namespaces talk through the switch: every kind of packet that a stack makes. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { iperf } from '../lab/iperf.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, broadcast, experimental, hostAddress, hostInterface, lan, mac, tap } from '../lab/plan.ts'
import { lengths, Tcpdump } from '../lab/tcpdump.ts'
import { frame, sendRaw, Witness } from '../lab/witness.ts'

suite('Linux stacks', ['iperf3', 'tcpdump', 'cap', 'raw-socket'], () => {
  let a: Namespace
  let b: Namespace
  let jumbo: Namespace
  let wide: Namespace
  let stranger: Namespace
  let layer3: Namespace
  let daemon: Daemon

  beforeAll(async () => {
    a = new Namespace('a')
    b = new Namespace('b')
    jumbo = new Namespace('j')
    wide = new Namespace('w')
    stranger = new Namespace('s')
    layer3 = new Namespace('l')
    const { mac: _, ...tun } = { ...tap(layer3, 41, { type: 'tun', ifname: 'tun0' }) } as Record<
      string,
      unknown
    >
    const big = { network: 'big', mtu: 9000 }
    daemon = await Daemon.start({
      networks: {
        lan,
        big: { mode: 'internal', mtu: 9000 },
        other: { mode: 'internal' },
      },
      ports: {
        a: tap(a, 11),
        b: tap(b, 12),
        jumbo: tap(jumbo, 21, big),
        wide: tap(wide, 22, big),
        layer3: tun,
        stranger: tap(stranger, 31, { network: 'other' }),
      },
    })
  })
  afterAll(cleanup)

  it('answer each other and the host', async () => {
    await a.exec(['ping', '-c', '3', '-i', '0.1', address(12)])
    await b.exec(['ping', '-c', '1', hostAddress])
    await daemon.host.exec(['ping', '-c', '1', address(11)])
  })

  it('have the configured addresses, MACs and MTU, and the link is up', async () => {
    const [link] = JSON.parse(await a.exec(['ip', '-j', 'addr', 'show', 'eth0']))
    expect(link).toMatchObject({ address: mac(11), mtu: 1500 })
    expect(link.flags).toContain('UP')
    expect(link.addr_info).toContainEqual(expect.objectContaining({ local: address(11), prefixlen: 24 }))
    const [host] = JSON.parse(await daemon.host.exec(['ip', '-j', 'addr', 'show', hostInterface]))
    expect(host.addr_info).toContainEqual(expect.objectContaining({ local: hostAddress, prefixlen: 24 }))
  })

  it('move TCP both ways, whole', async () => {
    expect((await iperf(a, b, address(12))).bytes).toBeGreaterThan(1 << 20)
    expect((await iperf(a, b, address(12), '-R')).bytes).toBeGreaterThan(1 << 20)
    await serveEcho(b)
    await exchange(a, address(12))
  })

  it('move UDP without loss at a modest rate', async () => {
    // Where kernels' queues are full because nobody had a core for a moment, some is lost: then once more.
    await eventually('a second without loss', async () => {
      const { bytes, lostPercent } = await iperf(a, b, address(12), '-u', '-b', '50M')
      return bytes > 1 << 20 && lostPercent < 1
    })
    for (const name of ['a', 'b']) expect((await daemon.port(name)).drops).not.toHaveProperty('egress_full')
  })

  it('move IPv6', async () => {
    const [link] = JSON.parse(await b.exec(['ip', '-j', '-6', 'addr', 'show', 'eth0', 'scope', 'link']))
    const local = link.addr_info[0].local
    await a.exec(['ping', '-6', '-c', '2', '-i', '0.1', `${local}%eth0`])
  })

  it('move IP fragments untouched', async () => {
    const dump = await Tcpdump.start(b, 'eth0', 'icmp')
    await a.exec(['ping', '-c', '1', '-s', '8000', address(12)])
    const seen = lengths(await dump.stop())
    expect(seen).toHaveLength(6)
    expect(Math.max(...seen)).toBe(1514)
  })

  it('without Ethernet, on a tun, take part: ICMP, whole TCP both ways, fragments', async () => {
    await layer3.exec(['ping', '-c', '2', '-i', '0.1', address(12)])
    await layer3.exec(['ping', '-c', '1', hostAddress])
    await a.exec(['ping', '-c', '1', address(41)])
    await a.exec(['ping', '-c', '1', '-s', '8000', address(41)])
    await exchange(layer3, address(12))
    await serveEcho(layer3)
    await exchange(a, address(41))
  })

  it('use a 9000-byte MTU where the network has one', async () => {
    const dump = await Tcpdump.start(wide, 'eth0', 'icmp')
    await jumbo.exec(['ping', '-c', '1', '-M', 'do', '-s', '8972', address(22)])
    expect(lengths(await dump.stop())).toEqual([9014])
    await serveEcho(wide)
    await exchange(jumbo, address(22))
  })

  it('do not see other networks, not even with the same addresses', async () => {
    const seen = await Witness.open(stranger, 'eth0', `ether src ${mac(11)}`)
    const sender = await Witness.open(a, 'eth0')
    await sender.send(frame(broadcast, mac(11), experimental), 3)
    await sender.send(frame(mac(31), mac(11), experimental), 3)
    expect(await seen.quiet()).toBe(0)
    expect((await a.attempt(['ping', '-c', '1', '-W', '1', address(31)])).status).not.toBe(0)
  })

  it('carry VLAN-tagged frames with their tag', async () => {
    const seen = await Witness.open(b, 'eth0', 'vlan 5')
    const sender = await Witness.open(a, 'eth0')
    const tagged = frame(broadcast, mac(11), 0x8100, Buffer.from('0005', 'hex'))
    tagged.writeUInt16BE(experimental, 16)
    tagged.write('carried', 18)
    await sender.send(tagged)
    await seen.sees(1)
    expect(seen.frames[0]?.toString('hex')).toBe(tagged.toString('hex'))
  })

  it('carry any IP protocol: raw-socket sends, libpcap sees', async () => {
    const seen = await Witness.open(b, 'eth0', 'ip proto 253')
    await sendRaw(a, address(12), 253, Buffer.from('not ours'))
    await seen.sees(1)
    expect(seen.frames[0]?.subarray(34, 42).toString()).toBe('not ours')
  })

  it('never see reserved multicast, and the drop is counted', async () => {
    const seen = await Witness.open(b, 'eth0', `ether src ${mac(11)} and ether proto ${experimental}`)
    const sender = await Witness.open(a, 'eth0')
    for (const last of ['00', '01', '0e', '0f']) {
      await sender.send(frame(`01:80:c2:00:00:${last}`, mac(11), experimental))
    }
    expect(await seen.quiet()).toBe(0)
    expect((await daemon.port('a')).drops.reserved_multicast).toBe(4)
    await sender.send(frame('01:80:c2:00:00:10', mac(11), experimental))
    await seen.sees(1)
  })

  it('never see a frame above the MTU, and the drop is counted', async () => {
    await wide.exec(['ip', 'link', 'set', 'eth0', 'mtu', '9100'])
    const seen = await Witness.open(jumbo, 'eth0', `ether proto ${experimental}`)
    const sender = await Witness.open(wide, 'eth0')
    const longest = frame(broadcast, mac(22), experimental, Buffer.alloc(9000))
    await sender.send(longest)
    await seen.sees(1)
    await sender.send(Buffer.concat([longest, Buffer.from('x')]))
    expect(await seen.quiet()).toBe(1)
    expect((await daemon.port('wide')).drops.oversize).toBe(1)
  })

  it('survive frames of every length, and malformed ones are counted', async () => {
    const sender = await Witness.open(a, 'eth0')
    for (let length = 14; length <= 80; length++) {
      await sender.send(frame(mac(12), mac(11), 0x0800, Buffer.alloc(length - 14, 0x45), length))
    }
    await sender.send(frame(mac(12), broadcast, experimental))
    await eventually('the last one is counted', async () => (await daemon.port('a')).drops.bad_source === 1)
    await a.exec(['ping', '-c', '1', address(12)])
  })
})
