/** A QEMU guest and a podman container: real machines, plugged in as users do. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Container } from '../lab/container.ts'
import { Daemon } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { Guest } from '../lab/guest.ts'
import { Namespace } from '../lab/namespace.ts'
import { qemu, suite } from '../lab/peer.ts'
import { address, hostAddress, lan, mac, tap } from '../lab/plan.ts'

suite('QEMU guest and podman container', ['podman', 'crun', 'conmon', ...qemu], () => {
  let a: Namespace
  let guest: Guest
  let container: Container
  let daemon: Daemon
  const vm = { network: 'lan', type: 'qemu-tap', ifname: 'vm1' }
  const configuration = () => ({ networks: { lan }, ports: { a: tap(a, 11), vm1: vm } })

  beforeAll(async () => {
    a = new Namespace('a')
    daemon = await Daemon.start(configuration())
    container = await Container.start('web')
    guest = await Guest.boot({
      host: daemon.host,
      plug: { type: 'tap', ifname: 'vm1' },
      mac: mac(21),
      address: `${address(21)}/24`,
    })
    await serveEcho(a)
  })
  afterAll(cleanup)

  it('the guest exchanges data with a namespace, both ways', async () => {
    await a.exec(['ping', '-c', '2', '-i', '0.2', address(21)])
    await exchange(a, address(21))
    const file = 'head -c 300000 /dev/urandom > /tmp/sent'
    await guest.exec(`${file}; nc ${address(11)} 7 < /tmp/sent > /tmp/back; cmp /tmp/sent /tmp/back`)
  })

  it('the host and the guest reach each other', async () => {
    await daemon.host.exec(['ping', '-c', '1', address(21)])
    await guest.exec(`ping -c 1 ${hostAddress}`)
  })

  it("the TAP's own stack never speaks: no address, no answer", async () => {
    const [link] = JSON.parse(await daemon.host.exec(['ip', '-j', 'addr', 'show', 'vm1']))
    expect(link.addr_info).toEqual([])
    expect(link.flags).toContain('NOARP')
    // The host's interface bp-lan owns 10.7.0.1, vm1 does not: exactly one MAC answers the guest.
    await guest.exec(`arping -D -c 2 -w 2 -I eth0 ${address(77)}`)
    const [host] = JSON.parse(await daemon.host.exec(['ip', '-j', 'link', 'show', 'bp-lan']))
    expect(await guest.exec(`ping -c 1 ${hostAddress} > /dev/null; ip neigh show ${hostAddress}`)).toContain(
      host.address,
    )
  })

  it('a container is plugged in by its pid, while the switch runs', async () => {
    const where = ['--netns', `pid:${container.pid}`, '--ifname', 'eth0', '--address', `${address(31)}/24`]
    await daemon.cli('port', 'add', 'web', '--network', 'lan', '--type', 'tap', ...where)
    expect(await container.exec('ip', 'addr', 'show', 'eth0')).toContain(address(31))
    await container.exec('ping', '-c', '2', address(21))
    expect((await container.exec('wget', '-q', '-O', '-', `http://${address(21)}/`)).trim()).toBe('guest')
  })

  it('container and guest keep their connection across a reload', async () => {
    const b = new Namespace('b')
    const before = await daemon.port('web')
    // Without an open stdin busybox's nc would hang up at once.
    const listens = 'until grep -q :2328 /proc/net/tcp /proc/net/tcp6; do usleep 50000; done'
    await guest.exec(`{ sleep 100 | nc -l -p 9000 > /tmp/received; } & ${listens}`)
    const slow = `for i in 1 2 3 4 5 6; do echo $i; sleep 0.3; done | nc ${address(21)} 9000`
    const talk = container.exec('sh', '-c', slow.replace('sleep', '/bin/sleep'))
    const changed = configuration()
    await daemon.reload({ ...changed, ports: { ...changed.ports, b: tap(b, 12) } })
    await talk
    await eventually('the guest has it all', async () =>
      (await guest.exec('cat /tmp/received')).trim().endsWith('6'),
    )
    expect((await guest.exec('cat /tmp/received')).trim().split('\n')).toEqual(['1', '2', '3', '4', '5', '6'])
    expect(await daemon.port('web')).toMatchObject({ mac: before.mac, state: 'up' })
    await b.exec(['ping', '-c', '1', address(31)])
  })

  it('a container that ends leaves its port waiting or gone, and nobody is disturbed', async () => {
    container.remove()
    await eventually('not up', async () =>
      (await daemon.ports()).every((port) => port.name !== 'web' || port.state !== 'up'),
    )
    await a.exec(['ping', '-c', '1', address(21)])
    await daemon.attempt(['port', 'rm', 'web'])
    expect((await daemon.ports()).map((port) => port.name)).not.toContain('web')
  })

  it('a guest that ends and boots again is back on its port', async () => {
    await guest.stop()
    guest = await Guest.boot({
      host: daemon.host,
      plug: { type: 'tap', ifname: 'vm1' },
      mac: mac(21),
      address: `${address(21)}/24`,
    })
    await a.exec(['ping', '-c', '1', address(21)])
  })
})
