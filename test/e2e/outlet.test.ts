/** A switch on somebody's LAN whose address that LAN's DHCP server gives: guests behind it reach what is there. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { stateFolder } from '../lab/dhcp.ts'
import { cable, Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const WORLD = '192.0.2.1'

suite('an uplink with a leased address', ['dnsmasq'], () => {
  let host: Namespace
  let world: Namespace
  let guest: Namespace
  let daemon: Daemon
  let log: string
  let server: ReturnType<Namespace['spawn']>

  function wire(): void {
    cable(host, 'up0', world, 'eth0')
    mustSync(...host.argv('ip', 'link', 'set', 'up0', 'up'))
    mustSync(...world.argv('ip', 'link', 'set', 'eth0', 'up'))
    mustSync(...world.argv('ip', 'addr', 'add', `${WORLD}/24`, 'dev', 'eth0'))
  }

  async function serve(range: string): Promise<void> {
    const folder = stateFolder()
    log = join(folder, 'log')
    writeFileSync(log, '')
    const files = [
      `--dhcp-leasefile=${folder}/leases`,
      `--log-facility=${log}`,
      '--pid-file',
      '--conf-file=/dev/null',
    ]
    const dhcp = [
      '--port=0',
      '--interface=eth0',
      '--bind-interfaces',
      `--dhcp-range=${range},255.255.255.0,1h`,
    ]
    const user = ['--keep-in-foreground', '--user=root', '--dhcp-authoritative', '--no-ping']
    server = world.spawn('dnsmasq', ...files, ...dhcp, ...user)
    await eventually('dnsmasq', () => readFileSync(log, 'utf8').includes('IP range'))
  }

  beforeAll(async () => {
    host = new Namespace('host')
    world = new Namespace('world')
    guest = new Namespace('guest')
    wire()
    await serve('192.0.2.50,192.0.2.50')
    const uplink = { nic: 'up0', address: 'dhcp' }
    const lan = { mode: 'nat', subnet: '10.0.2.0/24', gateway: '10.0.2.2', dns: 'off', uplink }
    const tap = { network: 'lan', type: 'tap', netns: guest.name, ifname: 'eth0', address: 'dhcp' }
    daemon = await Daemon.start({ networks: { lan }, ports: { guest: tap } }, host)
  })
  afterAll(cleanup)

  const reaches = async () => (await guest.attempt(['ping', '-c', '1', '-W', '1', WORLD])).status === 0

  it('asks for it and uses it', async () => {
    await eventually('the way outside', reaches)
    expect(daemon.output).toContain('the uplink has an address')
    // The world sees the leased address, and our MAC behind it.
    expect(await world.exec(['ip', 'neigh', 'show', '192.0.2.50'])).toMatch(/lladdr/)
    expect(readFileSync(log, 'utf8')).toMatch(/DHCPACK\(eth0\) 192\.0\.2\.50/)
  })

  it('takes another one when the card comes back to another LAN', async () => {
    server.kill('SIGKILL')
    mustSync(...host.argv('ip', 'link', 'del', 'up0'))
    await eventually('nobody outside', async () => !(await reaches()))
    wire()
    await serve('192.0.2.60,192.0.2.60')
    await eventually('the way outside', reaches, 40_000)
    expect(readFileSync(log, 'utf8')).toMatch(/DHCPACK\(eth0\) 192\.0\.2\.60/)
    expect(await world.exec(['ip', 'neigh', 'show', '192.0.2.60'])).toMatch(/lladdr/)
  })

  it('gives it back when the switch ends', async () => {
    await daemon.stop()
    await eventually('the release', () => readFileSync(log, 'utf8').includes('DHCPRELEASE(eth0) 192.0.2.60'))
  })
})
