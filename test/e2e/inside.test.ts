/** Rules inside a network: frames that are bridged pass FORWARD where the network says filterBridged, and nowhere else. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const filter = (...lines: string[]) => `*filter\n${lines.join('\n')}\nCOMMIT\n`

suite('rules inside a network', [], () => {
  const places: Record<string, Namespace> = {}
  let daemon: Daemon

  beforeAll(async () => {
    const ports: Record<string, object> = {}
    const tap = (name: string, network: string, address: string) => {
      const place = new Namespace(name)
      places[name] = place
      ports[name] = { network, type: 'tap', netns: place.name, ifname: 'eth0', address }
    }
    tap('x', 'bare', '10.20.0.11/24')
    tap('y', 'bare', '10.20.0.12/24')
    tap('h', 'hosted', '10.21.0.11/24')
    tap('n', 'served', '10.22.0.11/24')
    tap('m', 'served', '10.22.0.12/24')
    tap('p', 'plain', '10.23.0.11/24')
    tap('q', 'plain', '10.23.0.12/24')
    const filterBridged = true
    const networks = {
      bare: { mode: 'internal', filterBridged },
      hosted: { mode: 'host-only', subnet: '10.21.0.0/24', dhcp: 'off', dns: 'off', filterBridged },
      served: { mode: 'nat', subnet: '10.22.0.0/24', uplink: 'none', filterBridged },
      plain: { mode: 'internal' },
    }
    daemon = await Daemon.start({ workers: 2, networks, ports })
  })
  afterAll(cleanup)

  async function restore(...lines: string[]): Promise<void> {
    const result = await daemon.attempt(['rules', 'restore'], { input: filter(...lines) })
    expect(result).toMatchObject({ status: 0, stderr: '' })
  }

  async function hears(from: string, to: string): Promise<boolean> {
    const result = await places[from]?.attempt(['ping', '-c', '1', '-W', '1', to])
    return result?.status === 0
  }

  it('a switch without rules carries everything, and warns that IPv6 is not filtered', async () => {
    const pairs = [
      ['x', '10.20.0.12'],
      ['h', '10.21.0.1'],
      ['n', '10.22.0.12'],
      ['n', '10.22.0.1'],
      ['p', '10.23.0.12'],
    ]
    for (const [from = '', to = ''] of pairs) expect(await hears(from, to), `${from} to ${to}`).toBe(true)
    for (const name of ['bare', 'hosted', 'served'])
      expect(daemon.output).toContain(
        `networks.${name}.filterBridged: IPv6 inside the network passes unfiltered`,
      )
    expect(daemon.output).not.toContain('networks.plain.filterBridged')
  })

  it('what a policy drops does not pass, but inside a network that does not ask for it, and IPv6', async () => {
    await restore(':FORWARD DROP')
    expect(await hears('x', '10.20.0.12')).toBe(false)
    expect(await hears('y', '10.20.0.11')).toBe(false)
    expect(await hears('h', '10.21.0.1')).toBe(false)
    expect(await hears('n', '10.22.0.12')).toBe(false)
    expect(await hears('n', '10.22.0.1')).toBe(true)
    expect(await hears('p', '10.23.0.12')).toBe(true)
    const six = (await places.y?.exec(['ip', '-6', '-o', 'addr', 'show', 'eth0']))?.match(
      /fe80:[0-9a-f:]+/,
    )?.[0]
    await eventually('IPv6 passes', async () => {
      const result = await places.x?.attempt(['ping', '-6', '-c', '1', '-W', '1', `${six}%eth0`])
      return result?.status === 0
    })
  })

  it('the network is -i and -o, its ports are those of physdev, and connections are tracked', async () => {
    await restore(
      ':FORWARD DROP',
      '-A FORWARD -i bare -o bare -m physdev --physdev-in x --physdev-out y -j ACCEPT',
      '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT',
      '-A FORWARD -i hosted -m physdev --physdev-in h -j ACCEPT',
      '-A FORWARD -i served -o served -m physdev --physdev-is-bridged -j ACCEPT',
    )
    expect(await hears('x', '10.20.0.12')).toBe(true)
    expect(await hears('h', '10.21.0.1')).toBe(true)
    expect(await hears('n', '10.22.0.12')).toBe(true)
    // The other direction is no answer to anything: the pings of before are other connections.
    expect(await hears('y', '10.20.0.11')).toBe(false)
  })

  it('a network begins and ends to ask for it at a reload', async () => {
    await restore(':FORWARD DROP')
    const written = JSON.parse(await daemon.host.exec(['cat', daemon.file]))
    written.networks.plain.filterBridged = true
    written.networks.bare.filterBridged = false
    await daemon.reload(written)
    expect([await hears('x', '10.20.0.12'), await hears('p', '10.23.0.12')]).toEqual([true, false])
    delete written.networks.plain.filterBridged
    written.networks.bare.filterBridged = true
    await daemon.reload(written)
    expect([await hears('x', '10.20.0.12'), await hears('p', '10.23.0.12')]).toEqual([false, true])
  })
})
