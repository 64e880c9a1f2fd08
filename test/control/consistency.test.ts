/** What no key can tell alone: a contradiction is told at the later place and names the earlier. */
import { describe, expect, it } from 'vitest'
import { lan, refusal } from './sample.ts'

describe('contradictions name both places', () => {
  const two = (a: string, b: string) =>
    `networks: { a: { mode: internal, ${a} }, b: { mode: internal, ${b} } }`
  const ports = (a: string, b: string) =>
    `networks: { ${lan} }\nports:\n  x: { network: lan, ${a} }\n  y: { network: lan, ${b} }`

  it.each([
    [
      two('subnet: 10.0.0.0/16', 'subnet: 10.0.2.0/24'),
      'networks.b.subnet',
      'overlap 10.0.0.0/16 of networks.a',
    ],
    [two('host: { ifname: sw0 }', 'host: { ifname: sw0 }'), 'networks.b.host.ifname', 'networks.a'],
    [
      ports('type: tap, address: 10.7.0.5/24, netns: p', 'type: tap, address: 10.7.0.5/24, netns: q'),
      'ports.y.address',
      'ports.x',
    ],
    [
      ports('type: tap, mac: "52:54:00:00:00:0a"', 'type: tap, mac: "52:54:00:00:00:0A"'),
      'ports.y.mac',
      'ports.x',
    ],
    [ports('type: tap, ifname: t', 'type: qemu-tap, ifname: t'), 'ports.y.ifname', 'ports.x'],
    [ports('type: tap, netns: p', 'type: tap, netns: /run/netns/p'), 'ports.y.ifname', 'ports.x'],
    [ports('type: tap, ifname: bp-lan', 'type: tap'), 'ports.x.ifname', 'networks.lan'],
    [`networks: { ${lan} }\nports: { lan: { network: lan, type: tap } }`, 'ports.lan', 'networks.lan'],
  ])('%s', (text, path, other) => {
    const lines = refusal(text)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(` ${path}: `)
    expect(lines[0]).toContain(other)
  })

  it('the same interface name in two namespaces is none', () => {
    expect(refusal(ports('type: tap, netns: p', 'type: tap, netns: q'))).toEqual([])
  })
})
