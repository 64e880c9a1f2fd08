/** Guests' kernels and dig ask the switch for names: over UDP and TCP, of guests and of the outside, in each mode that has a name server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { says } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

/** An address of the host that its own server listens at. */
const SERVER = '198.51.100.53'
const networks = { lan: '10.66.0', inner: '10.67.0', alone: '10.68.0' }

suite('names', ['dig', 'dnsmasq'], () => {
  let daemon: Daemon
  let end: () => void
  const guests = new Map<string, Namespace>()

  beforeAll(async () => {
    const host = new Namespace('host')
    await host.exec(['ip', 'addr', 'add', `${SERVER}/32`, 'dev', 'lo'])
    const long = Array.from({ length: 12 }, (_, index) => `${'x'.repeat(200)}${index}`).join()
    const quiet = ['--conf-file=/dev/null', '--pid-file=', '--user=root', '--no-resolv', '--no-hosts']
    const bound = [
      '--keep-in-foreground',
      '--log-facility=-',
      `--listen-address=${SERVER}`,
      '--bind-interfaces',
    ]
    const records = [
      '--address=/host.example/192.0.2.7',
      `--txt-record=long.example,${long}`,
      '--local=/example/',
    ]
    const server = host.spawn('dnsmasq', ...quiet, ...bound, ...records)
    await says(server, /started/)
    end = () => server.kill('SIGKILL')
    const dns = { forward: [SERVER], names: { db: '10.66.0.20' } }
    const ports: Record<string, object> = {}
    for (const [network, prefix] of Object.entries(networks)) {
      const guest = new Namespace(network)
      guests.set(network, guest)
      const address = `${prefix}.30/24`
      ports[`${network}-guest`] = { network, type: 'tap', netns: guest.name, ifname: 'eth0', address }
    }
    daemon = await Daemon.start(
      {
        networks: {
          lan: { mode: 'nat', subnet: '10.66.0.0/24', gateway: '10.66.0.2', domain: 'lan.internal', dns },
          inner: { mode: 'internal', subnet: '10.67.0.0/24', gateway: '10.67.0.2', domain: 'inner.internal' },
          alone: {
            mode: 'host-only',
            subnet: '10.68.0.0/24',
            gateway: '10.68.0.2',
            domain: 'alone.internal',
            dns,
          },
        },
        ports,
      },
      host,
    )
  })
  afterAll(cleanup)

  const dig = (network: keyof typeof networks, ...words: string[]) =>
    guests.get(network)!.exec(['dig', `@${networks[network]}.2`, '+tries=1', '+time=7', ...words])

  describe.each(['lan', 'alone', 'inner'] as const)('in %s', (network) => {
    const prefix = networks[network]

    it.each(['+notcp', '+tcp'])('are those of guests, both ways (%s)', async (how) => {
      const short = (...words: string[]) => dig(network, how, '+short', ...words)
      expect(await short(`${network}-guest.${network}.internal`)).toBe(`${prefix}.30\n`)
      expect(await short(`${network}-guest`)).toBe(`${prefix}.30\n`)
      expect(await short('-x', `${prefix}.30`)).toBe(`${network}-guest.${network}.internal.\n`)
      expect(await dig(network, how, `nobody.${network}.internal`)).toMatch(/NXDOMAIN/)
    })
  })

  it.each(['lan', 'alone'] as const)('are forwarded (%s)', async (network) => {
    expect(await dig(network, '+short', 'host.example')).toBe('192.0.2.7\n')
    expect(await dig(network, '+short', '+tcp', 'host.example')).toBe('192.0.2.7\n')
    const long = await dig(network, 'long.example', 'TXT')
    expect(long).toMatch(/retrying in TCP/)
    expect(long.match(/x{200}/g)).toHaveLength(12)
  })

  it('stay inside of an internal network', async () => {
    expect(await dig('inner', 'host.example')).toMatch(/status: REFUSED/)
    expect(await dig('inner', '+tcp', 'host.example')).toMatch(/status: REFUSED/)
  })

  it('come a hundred times over one connection', async () => {
    const query = Array.from({ length: 100 }, () => `db.lan.internal`)
    const said = await dig('lan', '+tcp', '+keepopen', '+short', ...query)
    expect(said.trim().split('\n')).toEqual(query.map(() => '10.66.0.20'))
  })

  it('are said not to be known when the server is gone', async () => {
    end()
    expect(await dig('lan', 'other.example')).toMatch(/status: SERVFAIL/)
    expect(await dig('lan', '+short', 'db')).toBe('10.66.0.20\n')
    expect(daemon.output).not.toMatch(/DNS answers over UDP only/)
  })
})
