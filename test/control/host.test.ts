/** A network that leads nowhere leads nowhere, also on a host that routes for others. */
import { afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

suite('a host that routes', [], () => {
  afterEach(cleanup)

  it('does not route for host-only and internal networks, also when it begins to later', async () => {
    const host = new Namespace('router')
    const forward = (value: number) => host.exec(['sysctl', '-qw', `net.ipv4.ip_forward=${value}`])
    await forward(1)
    await host.exec([
      'sh',
      '-c',
      'ip tuntap add out0 mode tap; ip addr add 192.0.2.1/24 dev out0; ip link set out0 up',
    ])
    const lan = { mode: 'host-only', subnet: '10.7.0.0/24' }
    const inner = { mode: 'internal', host: { ifname: 'inner0' } }
    const daemon = await Daemon.start({ networks: { lan, inner } }, host)
    const routes = (ifname: string) => host.exec(['cat', `/proc/sys/net/ipv4/conf/${ifname}/forwarding`])
    expect(await routes('out0')).toBe('1\n')
    for (const ifname of ['bp-lan', 'inner0']) expect(await routes(ifname)).toBe('0\n')
    // Docker does this when it starts.
    await forward(0)
    await forward(1)
    await eventually('it is stopped', async () => (await routes('bp-lan')) === '0\n', 5000)
    const status = (address: string) =>
      daemon.attempt(['run', '--network', 'lan', '--', 'ping', '-c', '1', '-W', '1', address])
    expect((await status('10.7.0.1')).status).toBe(0)
    expect((await status('192.0.2.1')).status).toBe(0)
    // 192.0.2.9 is nobody: a host that routed would answer that it does not find it.
    expect((await status('192.0.2.9')).stdout).not.toMatch(/Unreachable/)
    expect(await daemon.stop()).toBe(0)
  })
})
