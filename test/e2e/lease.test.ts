/** Leases as users see them: guests of a whole switch ask its gateway, the command line shows who has what, guard follows. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LeaseRow } from '../../src/control/lease.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const GATEWAY = '10.8.0.1'
const lab = {
  mode: 'nat',
  subnet: '10.8.0.0/16',
  gateway: GATEWAY,
  uplink: 'none',
  dns: 'off',
  dhcp: { range: '10.8.1.0-10.8.200.255', lease: '10m', static: { '02:00:00:00:08:03': '10.8.0.33' } },
}
/** The host owns the gateway's address, DHCP is answered before its kernel sees it. */
const hosted = {
  mode: 'host-only',
  subnet: '10.9.0.0/24',
  gateway: '10.9.0.1',
  dns: 'off',
  dhcp: { range: '10.9.0.10-10.9.0.19' },
}

suite('leases', ['busybox', 'perfdhcp'], () => {
  let guests: Namespace[]
  let daemon: Daemon
  const macOf = (number: number) => `02:00:00:00:08:0${number}`

  beforeAll(async () => {
    guests = [...'abcdh'].map((label) => new Namespace(label))
    const tap = (number: number, more: object = {}) => ({
      network: 'lab',
      type: 'tap',
      netns: guests[number].name,
      ifname: 'eth0',
      mac: macOf(number),
      ...more,
    })
    const ports = {
      a: tap(0),
      b: tap(1, { guard: true }),
      c: tap(2, { address: 'dhcp' }),
      d: tap(3),
      h: tap(4, { network: 'hosted' }),
    }
    daemon = await Daemon.start({ networks: { lab, hosted }, ports })
  })
  afterAll(cleanup)

  const leases = async (): Promise<LeaseRow[]> => JSON.parse(await daemon.ask('/v1/leases'))
  const ping = (guest: Namespace, to: string) => guest.attempt(['ping', '-c', '1', '-W', '2', to])

  /** udhcpc with the script that busybox users have. */
  async function ask(number: number, ...more: string[]): Promise<string> {
    const script = join(daemon.folder, 'script')
    const act =
      'ip addr flush dev $interface; ip addr add $ip/$mask dev $interface; for r in $router; do ip route replace default via $r; done'
    writeFileSync(script, `#!/bin/sh\n[ "$1" = bound ] && { ${act}; echo "ip $ip"; }\n`, { mode: 0o755 })
    const argv = [
      'busybox',
      'udhcpc',
      '-i',
      'eth0',
      '-f',
      '-q',
      '-n',
      '-t',
      '4',
      '-T',
      '1',
      '-s',
      script,
      ...more,
    ]
    return /^ip (.*)$/m.exec((await guests[number].attempt(argv)).stdout)?.[1] ?? ''
  }

  it('a port that the switch configures has its address without asking, and keeps it', async () => {
    const [row] = await leases()
    expect(row).toMatchObject({ network: 'lab', hostname: 'c', kind: 'port', mac: macOf(2), expires: null })
    expect(await guests[2].exec(['ip', 'addr', 'show', 'dev', 'eth0'])).toContain(`${row.address}/16`)
    expect((await daemon.attempt(['lease', 'rm', row.address])).stderr).toMatch(
      /port c has it as long as it lives/,
    )
  })

  it('a guest that asks gets an address, shown with its port and name, and reaches the gateway', async () => {
    const address = await ask(0, '-x', 'hostname:alpha')
    expect(await leases()).toContainEqual(
      expect.objectContaining({
        address,
        network: 'lab',
        port: 'a',
        hostname: 'alpha',
        mac: macOf(0),
        kind: 'dynamic',
      }),
    )
    expect(await daemon.cli('lease', 'ls', '--network', 'lab')).toMatch(
      /^10\.8\.1\.\d+ +02:00:00:00:08:00 +lab +a +alpha +dynamic +9m/m,
    )
    expect((await ping(guests[0], GATEWAY)).status).toBe(0)
  })

  it('guard lets a port send with what it leased, and only as long', async () => {
    const address = await ask(1)
    expect((await ping(guests[1], GATEWAY)).status).toBe(0)
    await daemon.cli('lease', 'rm', address)
    expect((await ping(guests[1], GATEWAY)).status).not.toBe(0)
    expect((await daemon.port('b')).drops).toHaveProperty('guard')
    await ask(1)
    expect((await ping(guests[1], GATEWAY)).status).toBe(0)
  })

  it('the pinned address, and host-only with the kernel behind it', async () => {
    expect(await ask(3)).toBe('10.8.0.33')
    expect(await ask(4)).toBe('10.9.0.10')
    expect((await ping(guests[4], '10.9.0.1')).status).toBe(0)
  })

  it('metrics count leases, addresses and messages', async () => {
    const text = await daemon.get('/metrics')
    expect(text).toMatch(/^bridgeport_dhcp_leases\{network="lab"\} 4$/m)
    expect(text).toMatch(/^bridgeport_dhcp_capacity\{network="lab"\} 51201$/m)
    expect(text).toMatch(/^bridgeport_dhcp_messages_total\{network="lab",kind="ack"\} 4$/m)
  })

  it('leases outlive a killed daemon', async () => {
    const before = await leases()
    const file = join(daemon.folder, 'state', 'leases.json')
    await eventually(
      'all are written',
      () => JSON.parse(readFileSync(file, 'utf8')).leases.length >= before.length,
    )
    await daemon.stop('SIGKILL')
    await daemon.up()
    const same = ({ address, mac, network, hostname, kind }: LeaseRow) => ({
      address,
      mac,
      network,
      hostname,
      kind,
    })
    expect((await leases()).map(same)).toEqual(before.map(same))
    // Its port is known again as soon as it asks, and it asks for what it has.
    expect(await ask(0)).toBe(before.find(({ port }) => port === 'a')?.address)
  })

  it('refuses what is not there', async () => {
    expect((await daemon.attempt(['lease', 'rm', '10.8.9.9'])).stderr).toMatch(
      /there is no such lease; see bridgeport lease ls/,
    )
    const { stderr } = await daemon.attempt(['lease', 'rm', 'x', '--network', 'lab'])
    expect(stderr).toMatch(/network lab has no such lease/)
  })

  it('one port cannot empty the range for the others', async () => {
    const small = { ...lab, dhcp: { range: '10.8.1.0-10.8.1.99', lease: '10m' } }
    const tap = (number: number) => ({
      network: 'lab',
      type: 'tap',
      netns: guests[number].name,
      ifname: 'eth0',
      mac: macOf(number),
    })
    await daemon.reload({ networks: { lab: small }, ports: { a: tap(0), d: tap(3) } })
    const flood = ['-r', '200', '-n', '400', '-R', '1000', '-l', 'eth0', GATEWAY]
    await guests[0].attempt(['perfdhcp', '-4', ...flood], { timeoutMs: 30_000 })
    expect((await leases()).length).toBeLessThan(60)
    expect(daemon.output).toContain('its port has as many as are left for all others')
    expect(await ask(3)).toMatch(/^10\.8\.1\.\d+$/)
  })
})
