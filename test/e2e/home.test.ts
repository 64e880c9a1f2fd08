/** A QEMU guest as it comes from a shop: no address, no settings; it asks, and it is at home. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { mustSync } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Guest } from '../lab/guest.ts'
import { cable, Namespace } from '../lab/namespace.ts'
import { qemu, suite } from '../lab/peer.ts'
import { mac } from '../lab/plan.ts'

const WORLD = '192.0.2.1'

suite('a guest that asks for its address', qemu, () => {
  let guest: Guest
  let daemon: Daemon

  beforeAll(async () => {
    const host = new Namespace('host')
    const world = new Namespace('world')
    cable(host, 'up0', world, 'eth0')
    for (const [namespace, ifname, address] of [
      [host, 'up0', '192.0.2.2'],
      [world, 'eth0', WORLD],
    ] as const) {
      mustSync(...namespace.argv('ip', 'link', 'set', ifname, 'up'))
      mustSync(...namespace.argv('ip', 'addr', 'add', `${address}/24`, 'dev', ifname))
    }
    mustSync(...host.argv('ip', 'route', 'add', 'default', 'via', WORLD))
    const serve = "require('node:http').createServer((_, answer) => answer.end('the page')).listen(80)"
    world.spawn(process.execPath, '-e', serve)
    const lan = { mode: 'nat', subnet: '10.0.2.0/24', gateway: '10.0.2.2', mtu: 1400, domain: 'home.test' }
    const vm1 = { network: 'lan', type: 'qemu-tap', ifname: 'vm1', mac: mac(21), guard: true }
    daemon = await Daemon.start({ networks: { lan }, ports: { vm1 } }, host)
    // The image wants an address to boot; what it really uses comes afterwards.
    guest = await Guest.boot({
      host,
      plug: { type: 'tap', ifname: 'vm1' },
      mac: mac(21),
      address: '192.168.9.9/24',
    })
    const act = [
      'ip addr flush dev eth0; ip addr add $ip/$mask dev eth0; ip link set eth0 mtu $mtu',
      'ip route add default via $router; mkdir -p /etc; for each in $dns; do echo nameserver $each; done > /etc/resolv.conf',
    ]
    const script = `#!/bin/sh\\n[ "$1" = bound ] || exit 0\\n${act.join('\\n')}\\n`
    await guest.exec(`printf '${script}' > /tmp/script; chmod +x /tmp/script`)
    await guest.exec('udhcpc -i eth0 -q -n -t 5 -T 2 -O mtu -x hostname:shop -s /tmp/script')
  }, 120_000)
  afterAll(cleanup)

  it('has address, route and MTU of its network, and is listed', async () => {
    expect(await guest.exec('ip addr show dev eth0')).toMatch(/mtu 1400[\s\S]*inet 10\.0\.2\.\d+\/24/)
    const [row] = JSON.parse(await daemon.cli('lease', 'ls', '--json'))
    expect(row).toMatchObject({
      network: 'lan',
      port: 'vm1',
      hostname: 'shop',
      mac: mac(21),
      kind: 'dynamic',
    })
  })

  it('fetches a page from outside, guarded as it is', async () => {
    expect(await guest.exec(`wget -q -O - http://${WORLD}/`)).toContain('the page')
  })

  it('finds itself by name', async () => {
    expect(await guest.exec('nslookup shop.home.test')).toMatch(/Address.*10\.0\.2\.\d+/)
  })
})
