/** bridgeport.yaml: what is accepted and what it means; what is refused, with its path, what stood there and what may. */
import { describe, expect, it } from 'vitest'
import { check, entries, parse } from '../../src/control/file.ts'
import { inLan, lan, network, refusal } from './sample.ts'

function resolve(text: string) {
  const { input } = parse(text, 'f.yaml')
  return check({ settings: input, ...entries(input) })
}

describe('what is accepted', () => {
  it('an empty file is every default and nothing plugged in', () => {
    const { workers, socket, http, state, networks, ports } = resolve('')
    expect({ workers, socket, http, state }).toEqual({
      workers: 1,
      socket: '/run/bridgeport/bridgeport.sock',
      http: { host: '127.0.0.1', port: 9477 },
      state: '/var/lib/bridgeport',
    })
    expect([networks.size, ports.size]).toEqual([0, 0])
    expect(resolve('networks:\nports:\n').networks.size).toBe(0)
  })

  it('a host-only network owns its first address, or the one named', () => {
    const first = resolve(`networks: { ${lan} }`).networks.get('lan')
    expect(first).toMatchObject({
      gateway: '10.7.0.1',
      host: { ifname: 'bp-lan', address: '10.7.0.1/24' },
      mtu: 1500,
      isolated: false,
      macTable: { ageingMs: 300_000, capacity: 65_536 },
      origin: 'file',
    })
    expect(resolve(network('gateway: 10.7.0.9')).networks.get('n')?.host?.address).toBe('10.7.0.9/24')
    expect(resolve(network('host: { address: 10.7.0.5/24 }')).networks.get('n')?.gateway).toBe('10.7.0.5')
  })

  it('an internal network has no host unless given, and a gateway that the host is not', () => {
    const text =
      'networks: { i: { mode: internal }, h: { mode: internal, subnet: 10.8.0.0/16, host: { address: 10.8.0.1/16 } } }'
    const { networks } = resolve(text)
    expect(networks.get('i')).toMatchObject({ subnet: null, gateway: null, host: null })
    expect(networks.get('h')).toMatchObject({
      gateway: '10.8.0.2',
      host: { ifname: 'bp-h', address: '10.8.0.1/16' },
      uplink: { kind: 'none' },
    })
  })

  it('a long network name gives its host a short interface of its own', () => {
    const { networks } = resolve(
      'networks: { a-very-long-name-1: { mode: internal, host: {} }, a-very-long-name-2: { mode: internal, host: {} } }',
    )
    const names = [...networks.values()].map((each) => each.host?.ifname ?? '')
    expect(new Set(names).size).toBe(2)
    for (const name of names) expect(name.length).toBeLessThanOrEqual(15)
  })

  it('a tap has defaults for everything', () => {
    const port = resolve(inLan('type: tap')).ports.get('a')
    expect(port).toMatchObject({
      ifname: 'a',
      netns: '',
      address: null,
      gateway: null,
      mtu: 0,
      queues: 1,
      offload: true,
    })
    expect(port).toMatchObject({
      isolated: false,
      guard: false,
      macLimit: 0,
      floodLimit: 0,
      owner: null,
      origin: 'file',
    })
    expect(port?.mac).toMatch(/^02(:[0-9a-f]{2}){5}$/)
    expect(resolve(inLan('type: tap')).ports.get('a')?.mac).toBe(port?.mac)
    expect(resolve(inLan('type: tap', 'b')).ports.get('b')?.mac).not.toBe(port?.mac)
  })

  it('in a namespace it is eth0 and routes over the gateway', () => {
    const port = resolve(inLan('type: tap, netns: web, address: 10.7.0.15/24')).ports.get('a')
    expect(port).toMatchObject({ ifname: 'eth0', gateway: '10.7.0.1' })
    expect(resolve(inLan('type: tap, address: 10.7.0.15/24')).ports.get('a')?.gateway).toBeNull()
  })

  it('every key of a port', () => {
    const keys =
      'type: tap, mac: "52:54:00:00:00:AB", mtu: 1400, queues: 2, isolated: true, guard: true, macLimit: 8, floodLimit: 1000/s, offload: false'
    expect(resolve(inLan(keys)).ports.get('a')).toMatchObject({
      mac: '52:54:00:00:00:ab',
      mtu: 1400,
      queues: 2,
      isolated: true,
      guard: true,
      macLimit: 8,
      floodLimit: 1000,
      offload: false,
    })
    expect(resolve(inLan('type: qemu-tap, owner: 64055')).ports.get('a')).toMatchObject({
      owner: '64055',
      mac: null,
    })
  })
})

describe('what is refused: one mistake, one line with path, what stood there and what may stand there', () => {
  it.each([
    ['workers: 0', 'workers', 'found 0', 'an integer from 1 to 16'],
    ['workers: two', 'workers', 'found "two"', 'an integer from 1 to 16'],
    ['colour: red', 'colour', 'unknown key', 'one of workers, socket, http'],
    ['socket: here.sock', 'socket', 'found "here.sock"', 'an absolute path'],
    [`socket: /${'x'.repeat(107)}`, 'socket', 'found "/xxx', 'at most 107 bytes'],
    ['http: 9477', 'http', 'found 9477', '127.0.0.1:9477, or off'],
    ['http: 127.0.0.1:99999', 'http', 'found "127.0.0.1:99999"', 'off'],
    ['state: 5', 'state', 'found 5', 'an absolute path'],
    ['networks: []', 'networks', 'found an empty list', 'a mapping of names to networks'],
    ['networks: { lan: 5 }', 'networks.lan', 'found 5', 'a mapping with the keys mode, subnet'],
    [
      'networks: { lan: {} }',
      'networks.lan.mode',
      'found nothing',
      'nat, host-only, internal, bridged or routed',
    ],
    ['networks: { lan: { mode: host } }', 'networks.lan.mode', 'found "host"', 'host-only'],
    ['networks: { lan: { mode: host-only } }', 'networks.lan.subnet', 'found nothing', 'a subnet such as'],
    ['networks: { "a b": { mode: internal } }', 'networks."a b"', 'found "a b"', 'a name of 1 to 63'],
    [
      'networks: { host: { mode: internal } }',
      'networks.host',
      'found "host"',
      'not host, none or container',
    ],
    ['networks: { __proto__: { mode: internal } }', 'networks.__proto__', 'found "__proto__"', 'a name'],
    [
      'networks: { n: { mode: internal, subnet: 10.0.0.0 } }',
      'networks.n.subnet',
      'found "10.0.0.0"',
      '10.0.2.0/24',
    ],
    [
      'networks: { n: { mode: internal, subnet: 10.0.0.1/24 } }',
      'networks.n.subnet',
      'found "10.0.0.1/24"',
      '10.0.0.0/24',
    ],
    [
      'networks: { n: { mode: internal, subnet: 10.0.0.0/31 } }',
      'networks.n.subnet',
      'found "10.0.0.0/31"',
      '/8 to /30',
    ],
    [
      'networks: { n: { mode: internal, subnet: 127.0.0.0/8 } }',
      'networks.n.subnet',
      'found "127.0.0.0/8"',
      'not loopback',
    ],
    [
      'networks: { n: { mode: internal, subnet: 224.0.0.0/8 } }',
      'networks.n.subnet',
      'found "224.0.0.0/8"',
      'unicast',
    ],
    [network('mtu: 67'), 'networks.n.mtu', 'found 67', 'from 68 to 65521'],
    [network('gateway: 10.7.0.0'), 'networks.n.gateway', 'found "10.7.0.0"', '10.7.0.1 to 10.7.0.254'],
    [network('gateway: 10.7.0.255'), 'networks.n.gateway', 'found "10.7.0.255"', '10.7.0.1 to 10.7.0.254'],
    [network('gateway: 10.8.0.1'), 'networks.n.gateway', 'found "10.8.0.1"', '10.7.0.0/24'],
    [network('gateway: 10.07.0.1'), 'networks.n.gateway', 'found "10.07.0.1"', 'an IPv4 address'],
    [network('isolated: yes'), 'networks.n.isolated', 'found "yes"', 'true or false'],
    [network('host: { ifname: a/b }'), 'networks.n.host.ifname', 'found "a/b"', 'an interface name'],
    [network('host: { ifname: "tap%d" }'), 'networks.n.host.ifname', 'found "tap%d"', '"%"'],
    [
      network('gateway: 10.7.0.2, host: { address: 10.7.0.1/24 }'),
      'networks.n.host.address',
      'found "10.7.0.1/24"',
      '10.7.0.2/24',
    ],
    [network('macTable: { ageing: 300 }'), 'networks.n.macTable.ageing', 'found 300', 'a duration'],
    [network('macTable: { ageing: 90d }'), 'networks.n.macTable.ageing', 'found "90d"', '12d'],
    [network('macTable: { capacity: 0 }'), 'networks.n.macTable.capacity', 'found 0', 'an integer from 16'],
    [network('dhcp: { range: 1 }'), 'networks.n.dhcp.range', 'found 1', 'two addresses'],
    [network('dhcp: { colour: 1 }'), 'networks.n.dhcp.colour', 'unknown key', 'range, lease, static'],
    [network('dhcp: on'), 'networks.n.dhcp', 'found "on"', 'off, or a mapping'],
    [network('dns: { forward: [moon] }'), 'networks.n.dns.forward[0]', 'found "moon"', 'system or'],
    [network('uplink: { nic: 5 }'), 'networks.n.uplink.nic', 'found 5', 'an interface name'],
    [network('uplink: moon'), 'networks.n.uplink', 'found "moon"', 'host, none'],
    [
      network('nat: { mapping: full-cone }'),
      'networks.n.nat.mapping',
      'found "full-cone"',
      'endpoint-independent',
    ],
    [network('publish: ["tcp:80"]'), 'networks.n.publish[0]', 'found "tcp:80"', 'PROTO:HOSTIP:PORT'],
    ['ports: { a: { type: tap } }', 'ports.a.network', 'found nothing', 'a name'],
    ['ports: { a: { network: x, type: cable } }', 'ports.a.type', 'found "cable"', 'tap, tun, qemu-tap'],
    ['ports: { a: { network: x } }', 'ports.a.type', 'found nothing', 'tap, tun, qemu-tap'],
    ['ports: { a: 7 }', 'ports.a', 'found 7', 'a mapping'],
    ['ports: { a: { network: moon, type: tap } }', 'ports.a.network', 'found "moon"', 'there is none'],
    [inLan('type: tap, path: /x'), 'ports.a.path', 'unknown key', 'ifname, netns'],
    [inLan('type: tap, mac: "01:00:00:00:00:01"'), 'ports.a.mac', 'found "01:00:00:00:00:01"', 'unicast'],
    [inLan('type: tap, mac: "00:00:00:00:00:00"'), 'ports.a.mac', 'found "00:', 'unicast'],
    [inLan('type: tap, mac: 52-54'), 'ports.a.mac', 'found "52-54"', 'MAC'],
    [inLan('type: tap, address: 10.7.0.15'), 'ports.a.address', 'found "10.7.0.15"', 'with its prefix'],
    [inLan('type: tap, address: 10.9.0.15/24'), 'ports.a.address', 'found "10.9.0.15/24"', '10.7.0.0/24'],
    [
      inLan('type: tap, address: 10.7.0.1/24'),
      'ports.a.address',
      'found "10.7.0.1/24"',
      'the gateway of networks.lan',
    ],
    [inLan('type: tap, queues: 17'), 'ports.a.queues', 'found 17', 'from 1 to 16'],
    [inLan('type: tap, mtu: 9000'), 'ports.a.mtu', 'found 9000', 'at most 1500'],
    [inLan('type: tap, ifname: abcdefghijklmnop'), 'ports.a.ifname', 'found "abcdefghijklmnop"', '1 to 15'],
    [inLan('type: tap, ifname: "a b"'), 'ports.a.ifname', 'found "a b"', 'without space'],
    [inLan('type: tap', 'sixteen-letters-'), 'ports.sixteen-letters-.ifname', 'found nothing', '15 may be'],
    [inLan('type: tap, netns: "pid:x"'), 'ports.a.netns', 'found "pid:x"', 'pid:N'],
    [inLan('type: tap, netns: "a/b"'), 'ports.a.netns', 'found "a/b"', 'its path'],
    [inLan('type: tap, floodLimit: 1000'), 'ports.a.floodLimit', 'found 1000', '1000/s'],
    [inLan('type: tap, macLimit: 0'), 'ports.a.macLimit', 'found 0', 'from 1'],
    [inLan('type: tun'), 'ports.a.address', 'found nothing', 'a tun port has no ARP'],
    [inLan('type: qemu-tap, guard: true'), 'ports.a.mac', 'found nothing', 'guard'],
    [inLan('type: memory'), 'ports.a.type', 'found "memory"', 'inside a program'],
    [inLan('type: vhost-user, path: x'), 'ports.a.path', 'found "x"', 'absolute path'],
    [inLan('type: stream, path: /x, mode: 660'), 'ports.a.mode', 'found 660', '"0660"'],
    ['conntrack: { timeouts: { udp: soon } }', 'conntrack.timeouts.udp', 'found "soon"', '300s'],
    ['conntrack: { timeouts: { ipx: 1s } }', 'conntrack.timeouts.ipx', 'unknown key', 'tcpEstablished'],
    ['flowLog: {}', 'flowLog', 'found a mapping', 'the key file, ipfix or both'],
    ['flowLog: on', 'flowLog', 'found "on"', 'off, or a mapping'],
    ['flowLog: { file: logs/ }', 'flowLog.file', 'found "logs/"', 'the path of a file'],
    ['flowLog: { ipfix: 192.0.2.9 }', 'flowLog.ipfix', 'found "192.0.2.9"', '192.0.2.9:4739'],
    ['flowLog: { ipfix: "collector:0" }', 'flowLog.ipfix', 'found "collector:0"', 'an address'],
    ['flowLog: { file: x, domain: -1 }', 'flowLog.domain', 'found -1', 'from 0'],
    ['flowLog: { file: x, colour: red }', 'flowLog.colour', 'unknown key', 'domain'],
    ['[1]', 'the whole', 'found a list', 'a mapping with the keys workers'],
  ])('%s', (text, path, stood, may) => {
    const lines = refusal(text)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^f\.yaml:/)
    expect(lines[0]).toContain(` ${path}: `)
    expect(lines[0]).toContain(stood)
    expect(lines[0]).toContain(may)
  })
})

describe('places', () => {
  it('every mistake has its own line, with the line of the file', () => {
    const lines = refusal(
      'workers: 0\nnetworks:\n  n:\n    mode: nat\n    mtu: 1\nports:\n  p: { type: tap }\n',
    )
    expect(lines).toHaveLength(3)
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['f.yaml:1:', 'f.yaml:5:', 'f.yaml:7:'])
  })

  it.each([
    ['a: [1,\nb: 2', /^f\.yaml:2:1: /],
    ['networks: {}\nnetworks: {}', /^f\.yaml:2:1: Map keys must be unique/],
    ['ports:\n  a: {}\n  a: {}', /^f\.yaml:3:3: Map keys must be unique/],
    ['\tworkers: 1', /^f\.yaml:1:/],
    ['workers: !!js 1', /^f\.yaml:1:/],
    ['--- 1\n--- 2', /^f\.yaml:/],
  ])('broken YAML: %j', (text, line) => {
    expect(refusal(text)).toHaveLength(1)
    expect(refusal(text)[0]).toMatch(line)
  })

  it('a bomb of aliases is refused', () => {
    const levels = Array.from(
      { length: 9 },
      (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(',')}]`,
    )
    expect(refusal(['l0: &l0 [1]', ...levels].join('\n'))).toHaveLength(1)
  })

  it('hundreds of mistakes are counted after the twentieth', () => {
    const text = `ports:\n${Array.from({ length: 300 }, (_, n) => `  p${n}: 1`).join('\n')}`
    expect(refusal(text)).toHaveLength(21)
    expect(refusal(text).at(-1)).toBe('and 280 more')
  })
})
