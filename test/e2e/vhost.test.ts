/**
 * QEMU guests on vhost-user: one that connects to our socket, with all offloads, and one whose socket we connect to, without any.
 * They take their addresses from our DHCP server and trade with each other, with namespaces on TAPs and with the world.
 */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WhyRow } from '../../src/control/why.ts'
import type { Plug } from '../lab/card.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import type { Guest } from '../lab/guest.ts'
import type { Namespace } from '../lab/namespace.ts'
import { qemu, suite } from '../lab/peer.ts'
import * as lab from '../lab/quay.ts'
import { GATEWAY, leased, Quay, reaches, trade, WORLD } from '../lab/quay.ts'
import { lengths, Tcpdump } from '../lab/tcpdump.ts'

/** A guest under TCG moves some hundred kilobytes in the time a namespace moves megabytes. */
const bytes = 1 << 20

suite('guests on vhost-user', ['tcpdump', 'curl', ...qemu], () => {
  let quay: Quay
  const guests: Guest[] = []
  const plugs: Plug[] = []

  const ports = (path: (name: string) => string) => ({
    vm1: { network: 'lan', type: 'vhost-user', path: path('vm1') },
    vm2: { network: 'lan', type: 'vhost-user', path: path('vm2'), role: 'client' },
  })
  const boot = async (number: number) => {
    const options = {
      plug: plugs[number] as Plug,
      offload: number === 1,
      monitor: quay.path(`monitor${number}`),
    }
    // Memory can be added while it runs.
    guests[number] = await quay.boot(number, { ...options, more: ['-m', '192,slots=1,maxmem=1G'] })
  }

  beforeAll(async () => {
    quay = await Quay.open(ports)
    plugs[1] = { type: 'vhost-user', path: quay.path('vm1'), role: 'client', reconnectSeconds: 1 }
    plugs[2] = { type: 'vhost-user', path: quay.path('vm2'), role: 'server' }
    await Promise.all([boot(1), boot(2)])
  }, 180_000)
  afterAll(cleanup)

  it('guests lease their addresses and reach the gateway, each other and the world', async () => {
    for (const number of [1, 2]) {
      const guest = guests[number] as Guest
      expect(guest.address).toBe(leased(number))
      for (const address of [GATEWAY, leased(3 - number), lab.ON, lab.OFF, WORLD])
        await reaches(guest, address)
      await reaches(guest, `${lab.linkLocal(3 - number)}%eth0`)
      expect(await quay.knows(`vm${number}`)).toBe(true)
    }
    const leases = JSON.parse(await quay.daemon.cli('lease', 'ls', '--json')) as { address: string }[]
    expect(leases.map((row) => row.address)).toEqual(expect.arrayContaining([leased(1), leased(2)]))
  })

  it('ports say that guests are there and what was negotiated', async () => {
    expect((await quay.daemon.port('vm1')).state).toBe('up')
    expect((await quay.daemon.port('vm1')).offloads.join(' ')).toMatch(/tso4/i)
    expect((await quay.daemon.port('vm2')).offloads).toEqual([])
  })

  describe('every byte arrives, and no frame is larger than its receiver takes', () => {
    const side: Record<string, { address: string; from: () => Guest | Namespace }> = {
      'vm on': { address: leased(1), from: () => guests[1] as Guest },
      'vm off': { address: leased(2), from: () => guests[2] as Guest },
      'tap on': { address: lab.ON, from: () => quay.on },
      'tap off': { address: lab.OFF, from: () => quay.off },
    }
    const names = Object.keys(side)
    const pairs = names.flatMap((from) => names.map((to) => [from, to] as const))
    const withGuest = pairs.filter(([from, to]) => from !== to && `${from} ${to}`.includes('vm'))

    it.each(withGuest)('%s → %s and back', async (from, to) => {
      const watched = [from, to].includes('tap off') ? quay.off : null
      const dump = watched && (await Tcpdump.start(watched, 'eth0', 'tcp port 7'))
      await trade(side[from]?.from() as Guest, side[to]?.address ?? '', bytes)
      const text = await dump?.stop()
      if (text === undefined) return
      expect(lengths(text).length).toBeGreaterThan(50)
      expect(Math.max(...lengths(text))).toBeLessThanOrEqual(1514)
      expect(text).not.toMatch(/incorrect|bad cksum/)
    })
  })

  it('super-frames cross whole, both ways', async () => {
    const dump = await Tcpdump.start(quay.on, 'eth0', 'tcp port 7')
    await trade(guests[1] as Guest, lab.ON, bytes)
    expect(Math.max(...lengths(await dump.stop()))).toBeGreaterThan(4000)
    const count = async () => {
      const folder = '/sys/class/net/eth0/statistics'
      const text = await (guests[1] as Guest).exec(`cat ${folder}/rx_bytes ${folder}/rx_packets`)
      return text.trim().split(/\s+/).map(Number) as [number, number]
    }
    const [bytesBefore, packetsBefore] = await count()
    await trade(quay.on, leased(1), 4 * bytes)
    const [bytesAfter, packetsAfter] = await count()
    expect((bytesAfter - bytesBefore) / (packetsAfter - packetsBefore)).toBeGreaterThan(1514)
  })

  it('IPv6 has its super-frames too', async () => {
    const [link] = JSON.parse(await quay.on.exec(['ip', '-j', '-6', 'addr', 'show', 'eth0']))
    await trade(guests[1] as Guest, `${link.addr_info[0].local}%eth0`, bytes)
    await trade(quay.on, `${lab.linkLocal(1)}%eth0`, bytes)
    for (const number of [1, 2])
      await trade(guests[number] as Guest, `${lab.linkLocal(3 - number)}%eth0`, bytes)
  })

  it('datagrams pass, in pieces too', async () => {
    for (const number of [1, 2]) {
      const guest = guests[number] as Guest
      for (const address of [leased(3 - number), lab.ON, lab.OFF, GATEWAY])
        await guest.exec(`ping -c 1 -s 5000 ${address}`)
      const udp = ['-u', '-b', '2M', '-t', '1', '-l', '1200', '-J']
      const report = JSON.parse(await quay.off.exec(['iperf3', '-c', leased(number), ...udp]))
      expect(report.end.sum.packets).toBeGreaterThan(report.end.sum.lost_packets)
      expect(
        await guest.exec(`nslookup ${quay.on ? 'gateway' : ''}.default.internal ${GATEWAY} || true`),
      ).toContain(GATEWAY)
    }
  })

  it('a published port leads to a guest, a guest to the outside, and rules decide', async () => {
    const { daemon, world } = quay
    const fetch = ['curl', '-sf', '--max-time', '10', `http://${lab.OUTSIDE}:8080/`]
    expect((await world.exec(fetch)).trim()).toBe('guest')
    await trade(guests[1] as Guest, WORLD, bytes >> 2)
    await trade(guests[2] as Guest, WORLD, bytes >> 2)
    expect(await daemon.cli('conntrack', 'ls')).toMatch(
      new RegExp(`src=${leased(2)} dst=${WORLD} .*dport=7 `),
    )
    const packet = `tcp ${leased(1)}:40000 > ${WORLD}:7`
    const why = async () =>
      (JSON.parse(await daemon.cli('why', packet, '--port', 'vm1', '--json')) as WhyRow).verdict
    const restore = async (input: string) => {
      expect(await daemon.attempt(['rules', 'restore'], { input })).toMatchObject({ status: 0 })
    }
    expect(await why()).toBe('passes')
    await restore('*filter\n-A FORWARD -i vm1 -p tcp --dport 7 -j REJECT\nCOMMIT\n')
    expect(await why()).toBe('rejected')
    await (guests[1] as Guest).exec(`! nc -w 2 ${WORLD} 7 < /dev/null`)
    await trade(guests[2] as Guest, WORLD, bytes >> 2)
    await restore('*filter\nCOMMIT\n')
    await trade(guests[1] as Guest, WORLD, bytes >> 2)
  })

  it('guests that have nothing to say cost nothing', async () => {
    await eventually('the switch sleeps', async () => {
      const before = quay.daemon.cpuSeconds()
      await pause(1000)
      return quay.daemon.cpuSeconds() - before < 0.02
    })
  })

  describe('what ends comes back', () => {
    const guest = (number: number) => guests[number] as Guest
    const works = async (number: number) => {
      await reaches(guest(number), lab.ON)
      await trade(guest(number), lab.ON, bytes >> 2)
      await trade(quay.off, leased(number), bytes >> 2)
    }

    it('a reload disturbs no guest', async () => {
      const pings = (number: number) => guest(number).exec(`ping -c 30 -i 0.1 ${lab.ON}`)
      const more = { more: { network: 'lan', type: 'tap', netns: quay.world.name, ifname: 'more' } }
      const reloads = async () => {
        await quay.daemon.reload(quay.configuration({ ...ports((name) => quay.path(name)), ...more }))
        await quay.daemon.reload(quay.configuration(ports((name) => quay.path(name))))
      }
      const [first, second] = await Promise.all([pings(1), pings(2), reloads()])
      expect(first).toContain('30 packets received')
      expect(second).toContain('30 packets received')
    })

    it('a driver that starts anew', async () => {
      const driver = '/sys/bus/virtio/drivers/virtio_net'
      for (const number of [1, 2]) {
        await guest(number).exec(`echo virtio0 > ${driver}/unbind; echo virtio0 > ${driver}/bind`)
        await guest(number).exec('ip link set eth0 up; udhcpc -i eth0 -q -n -t 10 -T 1 -s /lease')
        await works(number)
      }
    })

    it.each([1, 2])('guest %d, when it pauses and when its link is down', async (number) => {
      const vm = guest(number)
      for (const [off, on] of [
        ['stop', 'cont'],
        ['set_link net off', 'set_link net on'],
      ] as const) {
        await vm.monitor(off)
        await quay.becomes(`vm${number}`, 'waiting')
        expect((await quay.on.attempt(['ping', '-c', '1', '-W', '0.5', leased(number)])).status).toBe(1)
        await works(3 - number)
        await vm.monitor(on)
        await works(number)
      }
    })

    it.each([1, 2])('guest %d, with more memory; and it may not move away', async (number) => {
      await guest(number).monitor('object_add memory-backend-memfd,id=more,size=128M,share=on')
      await guest(number).monitor('device_add pc-dimm,id=dimm,memdev=more')
      await works(number)
      expect(await guest(number).monitor('migrate "exec:cat > /dev/null"')).toContain('Migration disabled')
      await works(number)
    })

    it('a guest that reboots', async () => {
      await Promise.all([guest(1).reboot(), guest(2).reboot()])
      await Promise.all([works(1), works(2)])
    }, 180_000)

    it.each([1, 2])(
      'QEMU %d, killed amid traffic',
      async (number) => {
        await guest(number).exec(`ping -A ${lab.ON} > /dev/null &`)
        await guest(number).stop()
        await quay.becomes(`vm${number}`, 'waiting')
        await eventually('its addresses are forgotten', async () => !(await quay.knows(`vm${number}`)))
        await works(3 - number)
        await boot(number)
        await quay.becomes(`vm${number}`, 'up')
        await works(number)
      },
      180_000,
    )

    it('a port that is taken away and given back', async () => {
      await quay.daemon.reload(quay.configuration({}))
      expect(existsSync(quay.path('vm1'))).toBe(false)
      await quay.on.exec(['ping', '-c', '1', lab.OFF])
      await quay.daemon.reload(quay.configuration(ports((name) => quay.path(name))))
      await Promise.all([works(1), works(2)])
    })

    it.each(['SIGTERM', 'SIGKILL'] as const)('the switch, after %s', async (signal) => {
      await quay.daemon.stop(signal)
      await eventually('our socket is gone', () => !existsSync(quay.path('vm1')))
      expect(existsSync(quay.path('vm2'))).toBe(true)
      await quay.daemon.up()
      await Promise.all([works(1), works(2)])
    })
  })
})
