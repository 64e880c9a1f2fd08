/** The DHCP server and what real clients make of it: udhcpc, dhclient, and perfdhcp for the crowd. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import type { Settings } from '../../src/service/dhcp/option.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { four, type Lab, serve, settings, stateFolder } from '../lab/dhcp.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

let open: Lab | null = null
afterEach(async () => {
  await open?.close()
  open = null
  cleanup()
})
afterAll(cleanup)

const macOf = (number: number) => `02:00:00:00:08:0${number}`

/** A namespace for each letter, and a server for them. */
async function network(labels: string, wanted: Partial<Settings> = {}, path: string | null = null) {
  const guests = [...labels].map((label) => new Namespace(label))
  open = await serve(guests, settings(wanted), path)
  return { guests, lab: open }
}

/** A script that prints the environment that a client gives it. */
function reporter(): string {
  const path = join(stateFolder(), 'report.sh')
  writeFileSync(path, '#!/bin/sh\necho "event=$1"\nenv\n', { mode: 0o755 })
  return path
}

type Told = Record<string, string>

/** What of it the client said and not the test's own environment. */
function environment(text: string): Told {
  const pairs = text.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string])
  return Object.fromEntries(pairs.filter(([key]) => /^[a-z]/.test(key) && process.env[key] === undefined))
}

/** Runs udhcpc until it has a lease or gives up; what it was told last. */
async function udhcpc(guest: Namespace, ...more: string[]): Promise<Told> {
  const settled = ['-f', '-q', '-n', '-t', '4', '-T', '1']
  const argv = ['busybox', 'udhcpc', '-i', 'eth0', ...settled, '-s', reporter(), ...more]
  return environment((await guest.attempt(argv)).stdout)
}

/** dhclient in the foreground of one attempt, its files in a folder of their own. */
async function dhclient(guest: Namespace, folder: string, ...more: string[]): Promise<Told> {
  const script = join(folder, 'report.sh')
  writeFileSync(script, `#!/bin/sh\nenv >> ${folder}/report\n`, { mode: 0o755 })
  writeFileSync(join(folder, 'report'), '')
  writeFileSync(join(folder, 'dhclient.conf'), 'send host-name "beta";\ntimeout 8;\n')
  const files = [
    '-lf',
    join(folder, 'leases'),
    '-pf',
    join(folder, 'pid'),
    '-cf',
    join(folder, 'dhclient.conf'),
  ]
  await guest.attempt(['dhclient', '-1', '-v', '-sf', script, ...files, ...more, 'eth0'])
  return environment(readFileSync(join(folder, 'report'), 'utf8'))
}

/** udhcpc that goes on; `events` is what its script was told so far, a line each: the event and the address. */
function lasting(guest: Namespace, ...more: string[]) {
  const folder = stateFolder()
  const script = join(folder, 'report.sh')
  writeFileSync(join(folder, 'events'), '')
  writeFileSync(script, `#!/bin/sh\necho "$1 $ip" >> ${folder}/events\n`, { mode: 0o755 })
  const client = guest.spawn('busybox', 'udhcpc', '-i', 'eth0', '-f', '-s', script, ...more)
  let said = ''
  client.stderr?.on('data', (text) => {
    said += text
  })
  return {
    client,
    events: () => readFileSync(join(folder, 'events'), 'utf8'),
    requests: () => said.match(/(broadcasting|sending) (select|renew)/g)?.length ?? 0,
  }
}

/** What a real client's script does with an address; the memory port behind which the server stands answers no ARP. */
async function settle(guest: Namespace, address: string): Promise<void> {
  await guest.exec(['ip', 'addr', 'add', address, 'dev', 'eth0'])
  await guest.exec(['ip', 'neigh', 'add', '10.8.0.1', 'lladdr', '02:00:00:00:fe:01', 'dev', 'eth0'])
}

suite('DHCP and udhcpc', ['busybox'], () => {
  it('address, mask, router, resolvers, domain, search list, MTU, routes', async () => {
    const { guests, lab } = await network('a')
    const options = ['-O', 'mtu', '-O', 'staticroutes', '-O', 'search', '-x', 'hostname:Alpha']
    expect(await udhcpc(guests[0], ...options)).toMatchObject({
      event: 'bound',
      ip: '10.8.0.15',
      subnet: '255.255.255.0',
      router: '10.8.0.1',
      serverid: '10.8.0.1',
      dns: '10.8.0.1 192.0.2.53',
      domain: 'lab.internal',
      search: 'lab.internal',
      mtu: '1400',
      lease: '3600',
      staticroutes: '192.0.2.0/24 10.8.0.9 0.0.0.0/0 10.8.0.1',
    })
    const [lease] = lab.leases.list()
    expect(lease).toMatchObject({
      address: four('10.8.0.15'),
      mac: macOf(0),
      hostname: 'alpha',
      kind: 'dynamic',
    })
    // The second time it is its own address again, although others are free.
    expect(await udhcpc(guests[0])).toMatchObject({ ip: '10.8.0.15' })
  })

  it('broadcast answers, the address it asks for, the pinned one; a shorter time if it wants one', async () => {
    const { guests } = await network('ab', { statics: new Map([[macOf(1), four('10.8.0.99')]]) })
    expect(await udhcpc(guests[0], '-B', '-r', '10.8.0.18', '-x', 'lease:600')).toMatchObject({
      ip: '10.8.0.18',
      lease: '600',
    })
    expect(await udhcpc(guests[1], '-r', '10.8.0.18')).toMatchObject({ ip: '10.8.0.99' })
  })

  it('ends a lease that the client gives back, and remembers who had it', async () => {
    const { guests, lab } = await network('ab')
    const { client, events } = lasting(guests[0], '-R')
    await eventually('a lease', () => events().includes('bound 10.8.0.15'))
    await settle(guests[0], '10.8.0.15/24')
    client.kill('SIGTERM')
    await eventually('its end', () => lab.leases.list().length === 0)
    expect(await udhcpc(guests[1])).toMatchObject({ ip: '10.8.0.16' })
    expect(await udhcpc(guests[0])).toMatchObject({ ip: '10.8.0.15' })
  })

  it('renews, and takes another address after NAK when the range moved away', async () => {
    const { guests, lab } = await network('a')
    const { client, events, requests } = lasting(guests[0])
    await eventually('a lease', () => events().includes('bound 10.8.0.15'))
    await settle(guests[0], '10.8.0.15/24')
    client.kill('SIGUSR1')
    await eventually('a renewal', () => events().includes('renew 10.8.0.15'))
    // Two, unless the client had no core to read an answer in time, and asked again.
    expect(requests()).toBeGreaterThanOrEqual(2)
    expect(lab.server.counts).toMatchObject({ discover: 1, request: requests(), ack: requests(), nak: 0 })
    lab.server.update(settings({ first: four('10.8.0.40'), last: four('10.8.0.49') }))
    client.kill('SIGUSR1')
    await eventually('another address', () => events().includes('bound 10.8.0.40'))
    expect(lab.server.counts.nak).toBe(1)
  })

  it('passes over an address that a guest uses without having asked', async () => {
    const { guests, lab } = await network('ab')
    await guests[1].exec(['ip', 'addr', 'add', '10.8.0.30/24', 'dev', 'eth0'])
    await guests[1].exec(['ip', 'addr', 'add', '10.8.0.31/24', 'dev', 'eth0'])
    // The new range is probed ahead, and both addresses answer.
    lab.server.update(settings({ first: four('10.8.0.30'), last: four('10.8.0.33') }))
    await eventually('two conflicts', () => lab.diary.lines.length === 2)
    expect(lab.diary.lines.join()).toMatch(/10\.8\.0\.30 is in use by a guest.*10\.8\.0\.31 is in use/)
    expect(await udhcpc(guests[0])).toMatchObject({ ip: '10.8.0.32' })
  })

  it('takes an address out that the client declines', async () => {
    const { guests, lab } = await network('ab', { leaseMs: 60_000 })
    await eventually('addresses probed ahead', () => lab.server.ready > 0)
    await guests[1].exec(['ip', 'addr', 'add', '10.8.0.15/24', 'dev', 'eth0'])
    expect(await udhcpc(guests[0], '-a', '-A', '1')).toMatchObject({ ip: '10.8.0.16' })
    expect(lab.server.counts.decline).toBe(1)
    expect(lab.leases.book('lab').conflict.has(four('10.8.0.15'))).toBe(true)
  })

  it('says once that a pool is full, and serves again when there is room', async () => {
    const { guests, lab } = await network('abc', { last: four('10.8.0.16') })
    expect(await udhcpc(guests[0])).toMatchObject({ ip: '10.8.0.15' })
    expect(await udhcpc(guests[1])).toMatchObject({ ip: '10.8.0.16' })
    expect(await udhcpc(guests[2])).not.toHaveProperty('ip')
    expect(lab.server.counts.full).toBe(4)
    expect(lab.diary.lines).toEqual(['no address for a DHCP client: all are leased; widen dhcp.range'])
    lab.leases.remove('lab', four('10.8.0.15'))
    expect(await udhcpc(guests[2])).toMatchObject({ ip: '10.8.0.15' })
  })

  it('leases outlive the server', async () => {
    const path = join(stateFolder(), 'leases.json')
    const first = await network('a', {}, path)
    await udhcpc(first.guests[0], '-x', 'hostname:alpha')
    await first.lab.close()
    const kept = JSON.parse(readFileSync(path, 'utf8'))
    expect(kept.leases).toMatchObject([{ address: '10.8.0.15', mac: macOf(0), hostname: 'alpha' }])
    open = await serve(first.guests, settings(), path)
    expect(open.leases.list()).toMatchObject([{ address: four('10.8.0.15'), hostname: 'alpha' }])
    expect(await udhcpc(first.guests[0], '-r', '10.8.0.19')).toMatchObject({ ip: '10.8.0.15' })
  })
})

suite('DHCP and dhclient', ['dhclient'], () => {
  it('binds, reboots into the same address, hears NAK for a foreign one, releases', async () => {
    const { guests, lab } = await network('a')
    const folder = stateFolder()
    const told = await dhclient(guests[0], folder)
    expect(told).toMatchObject({
      reason: 'BOUND',
      new_ip_address: '10.8.0.15',
      new_subnet_mask: '255.255.255.0',
      new_routers: '10.8.0.1',
      new_domain_name: 'lab.internal',
      new_domain_name_servers: '10.8.0.1 192.0.2.53',
    })
    expect(lab.leases.list()).toMatchObject([{ hostname: 'beta' }])
    const discovered = lab.server.counts.discover
    const kill = () => guests[0].exec(['sh', '-c', `kill $(cat ${join(folder, 'pid')})`])
    await kill()
    // It has its old lease on disk: INIT-REBOOT, no discovery.
    expect(await dhclient(guests[0], folder)).toMatchObject({ reason: 'REBOOT', new_ip_address: '10.8.0.15' })
    expect(lab.server.counts.discover).toBe(discovered)
    await kill()
    lab.server.update(settings({ first: four('10.8.0.60'), last: four('10.8.0.69') }))
    expect(await dhclient(guests[0], folder)).toMatchObject({ reason: 'BOUND', new_ip_address: '10.8.0.60' })
    expect(lab.server.counts.nak).toBe(1)
    await settle(guests[0], '10.8.0.60/24')
    await dhclient(guests[0], folder, '-r')
    await eventually('the release', () => lab.leases.list().length === 0)
  })
})

suite('DHCP and perfdhcp', ['perfdhcp'], () => {
  it('a thousand clients in seconds: nothing heard is left without an answer, no address is given twice', async () => {
    const range = { prefix: 16, first: four('10.8.1.0'), last: four('10.8.255.250') }
    const { guests, lab } = await network('p', range, join(stateFolder(), 'leases.json'))
    await settle(guests[0], '10.8.0.2/16')
    const load = ['-r', '250', '-n', '1000', '-R', '30000', '-u', '-W', '1000000', '-l', 'eth0']
    const { stdout } = await guests[0].attempt(['perfdhcp', '-4', ...load, '10.8.0.1'], { timeoutMs: 30_000 })
    const { discover, offer, request, ack, nak } = lab.server.counts
    expect({ offer, ack, nak }).toEqual({ offer: discover, ack: request, nak: 0 })
    expect(lab.leases.list().length).toBe(ack)
    expect(lab.station.refused).toBe(0)
    // How many a busy machine loses on the way is no matter of the server's.
    expect(ack, stdout).toBeGreaterThan(500)
    const twice = [...stdout.matchAll(/^non unique addresses: (\d+)$/gm)].map((match) => match[1])
    expect(twice).toEqual(['0', '0'])
  })
})
