/** The uplink `nic`: the switch as a router on a LAN, with an address that the LAN's own DHCP server leases. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync } from '../lab/command.ts'
import { Daemon, leavesNothing } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const ROUTER = '192.0.2.2'
const GUEST = '10.0.5.20'
/** Says who asked. */
const page = `require('http').createServer((q, r) => r.end(q.socket.remoteAddress + '\\n')).listen(Number(process.argv[1]), '0.0.0.0')`

interface Network {
  uplink: { address: string | null; router: string | null; state: string; reason: string } | null
}

suite('a card as the way outside', ['dnsmasq', 'curl', 'ping'], () => {
  let daemon: Daemon
  let guest: Namespace
  let router: Namespace

  const plug = () => {
    const far = ['peer', 'name', 'lan0', 'netns', router.name]
    mustSync('ip', 'link', 'add', 'card0', 'netns', daemon.host.name, 'type', 'veth', ...far)
    mustSync('ip', '-n', router.name, 'addr', 'add', `${ROUTER}/24`, 'dev', 'lan0')
    mustSync('ip', '-n', router.name, 'link', 'set', 'lan0', 'up')
    mustSync('ip', '-n', daemon.host.name, 'link', 'set', 'card0', 'up')
  }
  const uplink = async () => {
    const [network] = JSON.parse(await daemon.cli('network', 'ls', '--json')) as Network[]
    return network?.uplink ?? null
  }
  const address = async () => (await uplink())?.address?.split('/')[0] ?? ''
  const curl = (from: Namespace, url: string) => from.attempt(['curl', '-s', '-m', '5', url])

  beforeAll(async () => {
    guest = new Namespace('guest')
    router = new Namespace('router')
    const office = {
      mode: 'nat',
      subnet: '10.0.5.0/24',
      uplink: { nic: 'card0' },
      publish: [`tcp::8080-${GUEST}:80`],
    }
    const a = { network: 'office', type: 'tap', netns: guest.name, ifname: 'eth0', address: `${GUEST}/24` }
    daemon = new Daemon({ networks: { office }, ports: { a } })
    plug()
    const range = ['--dhcp-range', '192.0.2.50,192.0.2.60,2m', '--dhcp-option', `3,${ROUTER}`]
    const quiet = ['-k', '-C', '/dev/null', '--no-resolv', '--no-hosts', '--port', '0', '--bind-dynamic']
    const files = ['--user=root', '--pid-file=', `--dhcp-leasefile=${daemon.folder}/dnsmasq`]
    router.spawn('dnsmasq', ...quiet, '--interface', 'lan0', ...range, ...files)
    router.spawn(process.execPath, '-e', page, '8000')
    guest.spawn(process.execPath, '-e', page, '80')
    await daemon.up()
    await eventually('the LAN leases an address', async () => (await address()) !== '')
  })
  afterAll(cleanup)

  it('has the address and the router that the LAN gave', async () => {
    expect(await uplink()).toMatchObject({ router: ROUTER, state: 'up', reason: '' })
    expect(await address()).toMatch(/^192\.0\.2\.(5\d|60)$/)
  })

  it('leads guests outside behind that address, and the host has no part in it', async () => {
    await guest.exec(['ping', '-c', '1', '-W', '2', ROUTER])
    expect((await curl(guest, `http://${ROUTER}:8000/`)).stdout).toBe(`${await address()}\n`)
    expect(await daemon.host.exec(['ip', '-4', '-o', 'addr', 'show', 'dev', 'card0'])).toBe('')
  })

  it('leads inside what is published: from outside, and from inside back in', async () => {
    const url = `http://${await address()}:8080/`
    expect((await curl(router, url)).stdout).toBe(`${ROUTER}\n`)
    expect((await curl(guest, url)).stdout).toBe(`${await address()}\n`)
    expect((await curl(router, `http://${await address()}:8081/`)).status).not.toBe(0)
  })

  it('waits when the card goes, and asks again when it is back', async () => {
    mustSync('ip', '-n', daemon.host.name, 'link', 'del', 'card0')
    await eventually('the uplink waits', async () => (await uplink())?.state === 'waiting')
    await guest.exec(['ping', '-c', '1', '-W', '2', '10.0.5.1'])
    plug()
    await eventually(
      'the uplink is up',
      async () => (await uplink())?.state === 'up' && (await address()) !== '',
    )
    await eventually(
      'the router answers',
      async () => (await guest.attempt(['ping', '-c', '1', '-W', '1', ROUTER])).status === 0,
    )
  })

  it('says how long a packet may be where the LAN takes shorter ones than the guests send', async () => {
    const asked = () => guest.attempt(['ping', '-c', '1', '-W', '1', '-M', 'do', '-s', '1400', ROUTER])
    expect((await asked()).status).toBe(0)
    mustSync('ip', '-n', router.name, 'link', 'set', 'lan0', 'mtu', '1400')
    mustSync('ip', '-n', daemon.host.name, 'link', 'set', 'card0', 'mtu', '1400')
    await eventually('the gateway tells', async () => (await asked()).stdout.includes('mtu = 1400'))
  })

  it('leaves nothing but the card', async () => {
    expect(await daemon.stop()).toBe(0)
    mustSync('ip', '-n', daemon.host.name, 'link', 'del', 'card0')
    await leavesNothing(daemon)
  })
})
