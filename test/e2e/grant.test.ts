/** The DHCP client against dnsmasq: what it takes from a LAN's server, and what it does when that changes its mind. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import type { Switch } from '../../src/index.ts'
import { Client } from '../../src/service/dhcp/client.ts'
import type { Grant } from '../../src/service/dhcp/grant.ts'
import { Station } from '../../src/service/station.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Diary, four, gateway, stateFolder } from '../lab/dhcp.ts'
import { plan, start } from '../lab/fabric.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

let fabric: Switch
let lan: Namespace
let station: Station
let client: Client | null = null
let events: (Grant | string)[] = []

beforeEach(async () => {
  lan = new Namespace('lan')
  const tap = { network: 'lab', type: 'tap' as const, netns: lan.name, ifname: 'eth0' }
  fabric = await start(plan('', { ports: { gw: { network: 'lab', type: 'memory' }, lan: tap } }))
  await lan.exec(['ip', 'addr', 'add', '10.9.0.1/24', 'dev', 'eth0'])
  station = new Station(fabric.memory('gw'), { ...gateway, address: 0, mtu: 1500 })
  events = []
})
afterEach(async () => {
  client?.close()
  client = null
  station.close()
  await fabric.close()
  cleanup()
})
afterAll(cleanup)

/** dnsmasq that gives out these addresses, once it listens; what it says goes into a file. */
async function dnsmasq(
  range: string,
  ...more: string[]
): Promise<{ child: ReturnType<Namespace['spawn']>; said: () => string }> {
  const folder = stateFolder()
  const log = join(folder, 'log')
  writeFileSync(log, '')
  const files = [
    `--dhcp-leasefile=${folder}/leases`,
    `--log-facility=${log}`,
    '--pid-file',
    '--conf-file=/dev/null',
  ]
  const dhcp = ['--port=0', '--interface=eth0', '--bind-interfaces', '--log-dhcp', `--dhcp-range=${range}`]
  const user = ['--keep-in-foreground', '--user=root', '--dhcp-authoritative', '--no-ping']
  const child = lan.spawn('dnsmasq', ...files, ...dhcp, ...user, ...more)
  const said = () => readFileSync(log, 'utf8')
  await eventually('dnsmasq', () => said().includes('IP range'))
  return { child, said }
}

function begin(): Client {
  const fate = {
    bound: (grant: Grant) => void events.push(grant),
    lost: (why: string) => void events.push(why),
  }
  client = new Client(station, 'bridgeport', fate, new Diary())
  return client
}

/** The client as its gateway would be: it has the address that it was granted. */
async function bound(): Promise<Grant> {
  await eventually('a lease', () => client?.lease != null)
  const grant = client?.lease as Grant
  station.seat = { ...station.seat, address: grant.address }
  // Nobody here answers ARP for it; the gateway does.
  await lan.exec(['ip', 'neigh', 'replace', '10.9.0.50', 'lladdr', '02:00:00:00:fe:01', 'dev', 'eth0'])
  return grant
}

suite('DHCP client and dnsmasq', ['dnsmasq'], () => {
  it('takes address, router, resolvers, domain, MTU, routes and times', async () => {
    const routes = '--dhcp-option=121,0.0.0.0/0,10.9.0.7,192.0.2.0/24,10.9.0.8'
    const resolvers = '--dhcp-option=6,10.9.0.1,192.0.2.53'
    await dnsmasq(
      '10.9.0.50,10.9.0.50,255.255.255.0,10m',
      routes,
      resolvers,
      '--domain=lan.test',
      '--dhcp-option=26,1400',
    )
    begin()
    expect(await bound()).toMatchObject({
      address: four('10.9.0.50'),
      prefix: 24,
      router: four('10.9.0.7'),
      resolvers: [four('10.9.0.1'), four('192.0.2.53')],
      domain: 'lan.test',
      mtu: 1400,
      routes: [{ network: four('192.0.2.0'), prefix: 24, router: four('10.9.0.8') }],
      leaseMs: 600_000,
      renewMs: 300_000,
      rebindMs: 525_000,
      server: four('10.9.0.1'),
    })
    expect(events).toHaveLength(1)
  })

  it('renews by asking its server, again and again; nothing is said of it', async () => {
    const { said } = await dnsmasq('10.9.0.50,10.9.0.50,255.255.255.0,2m')
    begin()
    await bound()

    for (const count of [2, 3]) {
      client?.renew()
      await eventually('a renewal', () => said().match(/DHCPACK/g)?.length === count)
      await eventually('its end', () => client?.state === 'bound')
    }
    expect(events).toHaveLength(1)
    expect(said().match(/DHCPDISCOVER/g)).toHaveLength(1)
  })

  it('declines an address that somebody has', async () => {
    await lan.exec(['ip', 'addr', 'add', '10.9.0.50/24', 'dev', 'eth0'])
    const { said } = await dnsmasq('10.9.0.50,10.9.0.50,255.255.255.0,10m')
    begin()

    await eventually('a refusal', () => said().includes('DHCPDECLINE'))
    expect(client?.state).toBe('init')
    expect(events).toEqual([])
  })

  it('gives the address back when it ends', async () => {
    const { said } = await dnsmasq('10.9.0.50,10.9.0.50,255.255.255.0,10m')
    begin()
    await bound()
    client?.close()
    client = null

    await eventually('the release', () => said().includes('DHCPRELEASE'))
  })

  it('asks everybody when its server is gone', async () => {
    const { child } = await dnsmasq('10.9.0.50,10.9.0.50,255.255.255.0,2m')
    begin()
    const grant = await bound()
    child.kill('SIGKILL')
    // What a lease is two minutes later.
    Object.assign(grant, { rebindMs: 0 })
    client?.renew()
    await eventually('another state', () => client?.state === 'rebinding')
    Object.assign(grant, { leaseMs: 0 })
    client?.renew()
    await eventually('the end', () => events.length === 2)
    expect(events[1]).toBe('the lease ended and no server renewed it')
    expect(client?.state).toBe('selecting')
  })

  it('loses the address when the server takes it back, and asks for another', async () => {
    const { child } = await dnsmasq('10.9.0.50,10.9.0.50,255.255.255.0,2m')
    begin()
    await bound()
    const gone = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGTERM')
    await gone
    await dnsmasq('10.9.0.60,10.9.0.60,255.255.255.0,2m')
    client?.renew()
    await eventually('another address', () => client?.lease?.address === four('10.9.0.60'))
    expect(events.map((each) => (typeof each === 'string' ? each : each.address))).toEqual([
      four('10.9.0.50'),
      'the DHCP server took the address back',
      four('10.9.0.60'),
    ])
  })
})
