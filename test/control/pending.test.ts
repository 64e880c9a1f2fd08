/** Keys whose feature does not exist yet: well-formed, and refused by name. */
import { describe, expect, it } from 'vitest'
import { inLan, network, refusal } from './sample.ts'

describe('what does not exist yet is refused, not ignored', () => {
  it.each([
    ['rules: rules.v4', 'rules'],
    ['sets: sets.save', 'sets'],
    ['conntrack: { capacity: 262144, timeouts: { udp: 300s, tcpEstablished: 5d } }', 'conntrack'],
    ['networks: { n: { mode: nat, subnet: 10.0.2.0/24 } }', 'networks.n.mode'],
    ['networks: { n: { mode: bridged } }', 'networks.n.mode'],
    [network('domain: lan.internal'), 'networks.n.domain'],
    [
      network('dhcp: { range: 10.7.0.15-10.7.0.99, lease: 1h, static: { "52:54:00:12:34:56": 10.7.0.15 } }'),
      'networks.n.dhcp',
    ],
    [network('dns: { forward: [system], names: { db: 10.7.0.20 } }'), 'networks.n.dns'],
    [network('uplink: host'), 'networks.n.uplink'],
    [network('uplink: { host: { link: 100.64.0.0/30, nat: true } }'), 'networks.n.uplink'],
    [network('uplink: { nic: eth0, address: dhcp }'), 'networks.n.uplink'],
    [network('nat: { ports: 1024-65535, hairpin: true }'), 'networks.n.nat'],
    [network('hostAccess: true'), 'networks.n.hostAccess'],
    [network('filterBridged: true'), 'networks.n.filterBridged'],
    [network('publish: ["tcp:127.0.0.1:8080-10.7.0.15:80"]'), 'networks.n.publish'],
    ['networks: { n: { mode: internal, subnet: "fd00::/64" } }', 'networks.n.subnet'],
    [inLan('type: tap, address: dhcp'), 'ports.a.address'],
    [inLan('type: tap, address: "fd00::5/64"'), 'ports.a.address'],
    [inLan('type: vhost-user, path: /run/a.sock, role: server, mode: "0660"'), 'ports.a.type'],
    [inLan('type: stream, path: /run/a.sock'), 'ports.a.type'],
    [inLan('type: dgram, path: /run/a.sock, peer: /run/b.sock'), 'ports.a.type'],
    [inLan('type: nic, device: eth1, macTranslation: false'), 'ports.a.type'],
  ])('%s', (text, path) => {
    const lines = refusal(text)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(` ${path}: `)
    expect(lines[0]).toContain('not available yet')
  })

  it('what switches such a feature off is accepted', () => {
    const off = network('dhcp: off, dns: off, uplink: none, filterBridged: false, publish: []')
    expect(refusal(off)).toEqual([])
  })
})
