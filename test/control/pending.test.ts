/** Keys whose feature does not exist yet: well-formed, and refused by name. */
import { describe, expect, it } from 'vitest'
import { inLan, nat, network, refusal } from './sample.ts'

describe('what does not exist yet is refused, not ignored', () => {
  it.each([
    ['networks: { n: { mode: internal, subnet: "fd00::/64" } }', 'networks.n.subnet'],
    ['networks: { n: { mode: nat, subnet: 10.7.0.0/24, gateway: "fd00::1" } }', 'networks.n.gateway'],
    [nat('uplink: { host: { link: "fd00::/64" } }'), 'networks.n.uplink.host.link'],
    [nat('uplink: { nic: eth1, address: "fd00::5/64" }'), 'networks.n.uplink.address'],
    [nat('dns: { names: { db: "fd00::5" } }'), 'networks.n.dns.names.db'],
    [inLan('type: tap, address: "fd00::5/64"'), 'ports.a.address'],
  ])('%s', (text, path) => {
    const lines = refusal(text)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(` ${path}: `)
    expect(lines[0]).toContain('not available yet')
  })

  it('what switches such a feature off is accepted', () => {
    const off = network('dhcp: off, dns: off, uplink: none, publish: []')
    expect(refusal(off)).toEqual([])
  })

  it('ports of every type are', () => {
    for (const type of ['vhost-user', 'stream', 'dgram, peer: /run/b.sock'])
      expect(refusal(inLan(`type: ${type}, path: /run/a.sock, mode: "0660"`))).toEqual([])
  })
})
