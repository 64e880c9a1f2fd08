/** Names in rules: what bears them, and the numbers that code of rules knows them by. */
import { describe, expect, it } from 'vitest'
import { bearers, numbers } from '../../src/control/names.ts'
import { configure } from '../../src/index.ts'

describe('what bears a name', () => {
  it('ports, networks, uplinks and interfaces of the host', () => {
    const configuration = configure({
      networks: {
        out: { mode: 'nat', subnet: '10.7.0.0/24' },
        lab: { mode: 'host-only', subnet: '10.8.0.0/24', host: { ifname: 'vbox0' } },
        alone: { mode: 'internal' },
        office: { mode: 'bridged', uplink: { nic: 'eth1' } },
      },
      ports: { vm1: { network: 'out', type: 'memory' } },
    })
    expect(Object.fromEntries(bearers(configuration))).toEqual({
      out: 'network',
      'out-uplink': 'network',
      lab: 'network',
      vbox0: 'port',
      alone: 'network',
      office: 'network',
      'office-uplink': 'port',
      vm1: 'port',
    })
  })
})

describe('numbers', () => {
  const nets = [
    { name: 'out', index: 3 },
    { name: 'out-uplink', index: 4 },
  ]
  const ports = [
    { name: 'vm1', index: 0 },
    { name: 'vm2', index: 5 },
  ]

  it('are positions of names that rules say, and 0 for all others', () => {
    const all = numbers({ names: ['eth9', 'vm2', 'out'], wildcards: [] }, nets, ports)
    expect([...all.ports]).toEqual([0, 0, 0, 0, 0, 2])
    expect([...all.networks]).toEqual([0, 0, 0, 3, 0])
    expect(all.count).toBe(4)
  })

  it('a wildcard means every name that begins so, whether a rule says it or not', () => {
    const all = numbers({ names: ['vm2'], wildcards: ['vm', 'out-', ''] }, nets, ports)
    const means = (wildcard: number, number: number) => all.wild[wildcard * all.count + number] === 1
    expect(all.ports[5]).toBe(1)
    expect(new Set([...all.ports, ...all.networks])).toEqual(new Set([0, 1, 2, 3, 4]))
    expect([means(0, all.ports[0]), means(0, all.ports[5]), means(0, all.networks[4])]).toEqual([
      true,
      true,
      false,
    ])
    expect([means(1, all.networks[4]), means(1, all.networks[3])]).toEqual([true, false])
    for (const number of [all.ports[0], all.ports[5], all.networks[3]]) expect(means(2, number)).toBe(true)
    for (const wildcard of [0, 1, 2]) expect(means(wildcard, 0)).toBe(false)
  })

  it('without ports there are none', () => {
    expect(numbers({ names: ['a'], wildcards: [] }, [], [])).toEqual({
      ports: new Int32Array(0),
      networks: new Int32Array(0),
      wild: new Uint8Array(0),
      count: 2,
    })
  })
})
