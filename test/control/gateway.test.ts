/** What a network's gateway is told: each mode's defaults, which keys a mode takes, and what cannot be promised. */
import { describe, expect, it } from 'vitest'
import { ipv4Text } from '../../src/control/address.ts'
import type { NetworkConfiguration } from '../../src/control/configuration.ts'
import { check, entries, parse } from '../../src/control/file.ts'
import { hasLink } from '../../src/control/gateway.ts'
import { inLan, nat, network, refusal } from './sample.ts'

function only(text: string): NetworkConfiguration {
  const { input } = parse(text, 'f.yaml')
  return [...check({ settings: input, ...entries(input) }).networks.values()][0]!
}

function range({ dhcp }: NetworkConfiguration): string {
  return dhcp === null ? 'off' : `${ipv4Text(dhcp.first)}-${ipv4Text(dhcp.last)}`
}

describe('defaults', () => {
  it('nat hands out addresses, answers for names, translates and leads through the host', () => {
    const each = only('networks: { n: { mode: nat, subnet: 10.0.2.0/24 } }')
    expect(each).toMatchObject({
      gateway: '10.0.2.1',
      domain: 'n.internal',
      dns: { forward: ['system'] },
      uplink: { kind: 'host', link: null, nat: true },
      nat: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', hairpin: true },
      hostAccess: true,
      publish: [],
    })
    expect([each.nat.first, each.nat.last]).toEqual([1024, 65535])
    expect(range(each)).toBe('10.0.2.15-10.0.2.254')
    expect(each.dhcp?.leaseMs).toBe(3_600_000)
  })

  it.each([
    ['mode: routed, subnet: 10.0.2.0/24', { uplink: { kind: 'host', nat: false } }, true],
    ['mode: host-only, subnet: 10.0.2.0/24', { uplink: { kind: 'none' }, dns: { forward: [] } }, true],
    ['mode: internal, subnet: 10.0.2.0/24', { uplink: { kind: 'none' }, dns: { forward: [] } }, true],
    ['mode: internal, subnet: 10.0.2.0/24, dhcp: off, dns: off', { dhcp: null, dns: null }, false],
    ['mode: internal', { gateway: null, dhcp: null, dns: null }, false],
    ['mode: bridged, uplink: { nic: eth1 }', { uplink: { kind: 'nic', address: null }, dhcp: null }, false],
    ['mode: nat, subnet: 10.0.2.0/24, uplink: { nic: eth1 }', { uplink: { address: 'dhcp' } }, true],
    ['mode: nat, subnet: 10.0.2.0/24, uplink: none', { dns: { forward: [] } }, true],
  ])('%s', (keys, shape, linked) => {
    const each = only(`networks: { n: { ${keys} } }`)
    expect(each).toMatchObject(shape)
    expect(hasLink(each)).toBe(linked)
  })

  it('a small subnet is handed out from its second address on', () => {
    expect(range(only('networks: { n: { mode: nat, subnet: 10.0.2.0/28 } }'))).toBe('10.0.2.2-10.0.2.14')
  })

  it('the host and the gateway of a nat network are two stations', () => {
    expect(only(nat('host: { address: 10.7.0.1/24 }'))).toMatchObject({ gateway: '10.7.0.2' })
  })

  it('a port in a namespace routes over the gateway where it leads outside', () => {
    const routes = (mode: string) => {
      const text = `networks: { n: { ${mode}, subnet: 10.7.0.0/24 } }\nports: { a: { network: n, type: tap, netns: x, address: dhcp } }`
      const { input } = parse(text, 'f.yaml')
      return check({ settings: input, ...entries(input) }).ports.get('a')?.gateway
    }
    expect(routes('mode: nat')).toBe('10.7.0.1')
    expect(routes('mode: internal')).toBeNull()
    expect(routes('mode: nat, uplink: none')).toBeNull()
  })
})

describe('what a mode does not take, and what lies elsewhere, is refused in one line', () => {
  it.each([
    [network('uplink: host'), 'networks.n.uplink', 'host-only leads nowhere'],
    [network('nat: { hairpin: true }'), 'networks.n.nat', 'translates nothing'],
    [network('hostAccess: true'), 'networks.n.hostAccess', 'uplink host'],
    [network('publish: ["tcp::80-10.7.0.15:80"]'), 'networks.n.publish', 'nothing leads in'],
    [nat('uplink: none, publish: ["tcp::80-10.7.0.15:80"]'), 'networks.n.publish', 'nothing leads in'],
    ['networks: { n: { mode: bridged, uplink: host } }', 'networks.n.uplink', 'no gateway of ours'],
    ['networks: { n: { mode: bridged, subnet: 10.7.0.0/24, dhcp: {} } }', 'networks.n.dhcp', "LAN's own"],
    ['networks: { n: { mode: internal, dns: {} } }', 'networks.n.dns', 'without a subnet'],
    ['networks: { n: { mode: routed } }', 'networks.n.subnet', 'routed needs one'],
    [nat('dhcp: { range: 10.7.0.15-10.8.0.2 }'), 'networks.n.dhcp.range', 'from 10.7.0.1 to 10.7.0.254'],
    [nat('dhcp: { static: { "52:54:00:12:34:56": 10.9.0.1 } }'), 'networks.n.dhcp.static', '10.7.0.0/24'],
    [nat('dhcp: { static: { "52:54:00:12:34:56": 10.7.0.1 } }'), 'networks.n.dhcp.static', 'the gateway'],
    [nat('publish: ["tcp::80-10.8.0.15:80"]'), 'networks.n.publish[0]', 'from 10.7.0.1'],
    [nat('publish: ["tcp::80-10.7.0.1:80"]'), 'networks.n.publish[0]', 'is the gateway'],
    [
      nat('publish: ["tcp::80-10.7.0.5:80", "tcp:127.0.0.1:79-81-10.7.0.6:1-3"]'),
      'networks.n.publish[1]',
      'tcp::80-10.7.0.5:80',
    ],
    [
      nat('uplink: { nic: eth1, address: 192.0.2.5/24 }, publish: ["tcp:192.0.2.6:80-10.7.0.5:80"]'),
      'networks.n.publish[0]',
      '192.0.2.5',
    ],
    [nat('uplink: { host: { link: 10.7.0.0/30 } }'), 'networks.n.uplink.host.link', 'overlap'],
    [nat('uplink: { host: { link: 10.9.0.1/30 } }'), 'networks.n.uplink.host.link', 'a subnet such as'],
    [nat('uplink: { nic: eth1, gateway: 192.0.2.1 }'), 'networks.n.uplink.gateway', 'names it'],
    [
      nat('uplink: { nic: eth1, address: 192.0.2.5/24, gateway: 192.0.3.1 }'),
      'networks.n.uplink.gateway',
      '192.0.2.254',
    ],
    [nat('uplink: { nic: eth1, address: 10.7.0.5/24 }'), 'networks.n.uplink.address', "network's own"],
    [`${nat('')}\nports: { n-uplink: { network: n, type: tap } }`, 'ports.n-uplink', 'the uplink of'],
    [
      `${nat('dhcp: off')}\nports: { a: { network: n, type: tap, address: dhcp } }`,
      'ports.a.address',
      'hands out none',
    ],
    [inLan('type: qemu-tap, address: dhcp'), 'ports.a.address', 'its own stack'],
  ])('%s', (text, path, expected) => {
    const lines = refusal(text)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(` ${path}`)
    expect(lines[0]).toContain(expected)
  })

  it('the same host port in two networks', () => {
    const text = `networks:
  a: { mode: nat, subnet: 10.7.0.0/24, publish: ["tcp::80-10.7.0.5:80"] }
  b: { mode: nat, subnet: 10.8.0.0/24, publish: ["tcp:127.0.0.1:80-10.8.0.5:80", "udp::80-10.8.0.5:80"] }`
    const lines = refusal(text)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('networks.b.publish[0]')
    expect(lines[0]).toContain('networks.a publishes tcp::80-10.7.0.5:80')
  })
})
