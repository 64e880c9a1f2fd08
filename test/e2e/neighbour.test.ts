/** Whom the gateway knows, as real kernels and hostile guests make it: listings, floods, spoofing, overlapping fragments. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NeighbourRow } from '../../src/control/neighbour.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync, pause } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { type Cut, cuts } from '../lab/fragment.ts'
import { arp, ethernet, ipv4, join, u16, udp } from '../lab/frame.ts'
import { cable, Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Witness } from '../lab/witness.ts'

const GATEWAY = '10.0.2.2'
const WORLD = '192.0.2.1'
const macs = { guest: '02:00:00:00:0a:15', other: '02:00:00:00:0a:16' }
const broadcast = 'ff:ff:ff:ff:ff:ff'
const nobody = '00:00:00:00:00:00'

suite('neighbours of the gateway', ['cap'], () => {
  let guest: Namespace
  let other: Namespace
  let world: Namespace
  let daemon: Daemon
  let own = ''

  beforeAll(async () => {
    guest = new Namespace('guest')
    other = new Namespace('other')
    world = new Namespace('world')
    const host = new Namespace('host')
    cable(host, 'up0', world, 'eth0')
    mustSync(...host.argv('ip', 'link', 'set', 'up0', 'up'))
    mustSync(...world.argv('ip', 'link', 'set', 'eth0', 'up'))
    mustSync(...world.argv('ip', 'addr', 'add', `${WORLD}/24`, 'dev', 'eth0'))
    const uplink = { nic: 'up0', address: '192.0.2.10/24', gateway: WORLD }
    const lan = { mode: 'nat', subnet: '10.0.2.0/24', gateway: GATEWAY, dhcp: 'off', dns: 'off', uplink }
    const tap = (namespace: Namespace, mac: string, number: number) => ({
      ...{ network: 'lan', type: 'tap', netns: namespace.name, ifname: 'eth0', mac },
      address: `10.0.2.${number}/24`,
    })
    const ports = { guest: tap(guest, macs.guest, 15), other: tap(other, macs.other, 16) }
    daemon = await Daemon.start({ networks: { lan }, ports }, host)
    for (const namespace of [guest, other])
      await namespace.attempt(['ip', 'route', 'add', 'default', 'via', GATEWAY])
    await guest.exec(['ping', '-c', '1', GATEWAY])
    own = (await daemon.macs()).find(({ kind }) => kind === 'gateway')?.mac ?? ''
  })
  afterAll(cleanup)

  const list = async (): Promise<NeighbourRow[]> => JSON.parse(await daemon.ask('/v1/neighbours'))
  const row = async (address: string) => (await list()).find((each) => each.address === address)
  const works = async (from: Namespace, to: string) =>
    (await from.attempt(['ping', '-c', '1', '-W', '3', to])).status === 0
  const request = (from: string, sender: string, target: string) =>
    Buffer.from(ethernet(broadcast, from, 0x0806, arp(1, [from, sender], [nobody, target])))

  it('lists who it knows, inside and outside, and forgets them when told to', async () => {
    expect(await works(guest, WORLD)).toBe(true)
    const known = { mac: macs.guest, network: 'lan', port: 'guest' }
    expect(await row('10.0.2.15')).toMatchObject(known)
    expect(await row(WORLD)).toMatchObject({ network: 'lan-uplink', port: 'up0', state: 'reachable' })
    expect(await daemon.cli('neigh', 'ls', '--network', 'lan')).toMatch(
      /10\.0\.2\.15 +02:00:00:00:0a:15 +lan +guest/,
    )
    await daemon.cli('neigh', 'flush', '--network', 'lan-uplink')
    expect(JSON.parse(await daemon.cli('neigh', 'ls', '--json'))).toMatchObject([known])
    expect([(await row(WORLD)) === undefined, (await row('10.0.2.15')) === undefined]).toEqual([true, false])
    await daemon.cli('neigh', 'flush')
    expect(await list()).toEqual([])
    expect(await works(guest, WORLD)).toBe(true)
    expect((await daemon.attempt(['neigh', 'flush', '--network', 'nowhere'])).stderr).toContain(
      'no network nowhere',
    )
  })

  it('shows an address that nobody has while it asks for it', async () => {
    const ping = guest.spawn('ping', '192.0.2.99')
    const asked = await eventually('it is asked for', () => row('192.0.2.99'))
    expect(asked).toMatchObject({ state: 'incomplete', mac: null, port: null })
    ping.kill('SIGKILL')
    await eventually('the end of asking', async () => (await row('192.0.2.99')) === undefined)
  })

  it('does not believe a guest that claims the address of another, or of the gateway', async () => {
    expect(await works(guest, WORLD)).toBe(true)
    const thief = await Witness.open(other, 'eth0')
    const victim = await Witness.open(guest, 'eth0', `arp and arp[14:4] = 0x0a000202`)
    for (let i = 0; i < 5; i++) {
      await thief.send(request(macs.other, '10.0.2.15', GATEWAY), 200)
      expect(await row('10.0.2.15')).toMatchObject({ mac: macs.guest, port: 'guest' })
      await pause(300)
    }
    expect(await works(guest, WORLD)).toBe(true)
    const drops = (await daemon.port('other')).drops.arp_invalid ?? 0
    await thief.send(request(macs.other, GATEWAY, '10.0.2.15'), 500)
    await eventually(
      'refusals',
      async () => ((await daemon.port('other')).drops.arp_invalid ?? 0) === drops + 500,
    )
    const senders = victim.frames.map((frame) => frame.subarray(22, 28).toString('hex'))
    expect(new Set(senders)).toEqual(new Set([own.replaceAll(':', '')]))
    expect(await guest.exec(['ip', 'neigh', 'show', GATEWAY])).toContain(own)
  })

  it('serves others while a guest floods it with requests and with packets for nobody', async () => {
    const flooder = await Witness.open(other, 'eth0')
    const frames: Buffer[] = []
    for (let i = 20; i < 250; i++) {
      frames.push(request(macs.other, `10.0.2.${i}`, GATEWAY))
      const packet = ipv4(
        { source: '10.0.2.16', destination: `192.0.2.${i}`, protocol: 17 },
        udp(4000, 9, [1, 2, 3, 4]),
      )
      frames.push(Buffer.from(ethernet(own, macs.other, 0x0800, packet)))
    }
    const flood = Promise.all(frames.map((frame) => flooder.send(frame, 50)))
    const worked: boolean[] = []
    for (let i = 0; i < 5; i++) worked.push(await works(guest, WORLD))
    await flood
    expect(worked).toEqual(Array(5).fill(true))
    expect(await row('10.0.2.15')).toMatchObject({ mac: macs.guest, port: 'guest' })
    const asked = (await list()).filter(({ state }) => state === 'incomplete')
    expect(asked.length).toBeLessThanOrEqual(64)
    expect((await daemon.port('other')).drops.held_full).toBeGreaterThan(0)
    await eventually('rest', async () => (await list()).every(({ state }) => state !== 'incomplete'))
  })

  /** A datagram to the world in cuts, as the guest's frames. */
  function datagram(text: string, list: Cut[], id: number): Buffer[] {
    const bytes = Buffer.from(text)
    const whole = join(u16(4000), u16(9001), u16(8 + bytes.length), [0, 0], bytes)
    const ends = { source: '10.0.2.15', destination: WORLD, protocol: 17, id }
    return list.map(({ from, to, more }) => {
      const word = (more ? 0x2000 : 0) | (from >> 3)
      return Buffer.from(
        ethernet(own, macs.guest, 0x0800, ipv4({ ...ends, fragment: word }, whole.subarray(from, to))),
      )
    })
  }

  it('puts fragments together in any order, and nothing of those that overlap', async () => {
    const code = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, r) => console.log('got ' + r.address + ' ' + m));
      s.bind(9001, () => console.log('ready'))`
    const server = world.spawn(process.execPath, '-e', code)
    let heard = ''
    server.stdout?.on('data', (text) => {
      heard += text
    })
    await eventually('the server', () => heard.includes('ready'))
    const sender = await Witness.open(guest, 'eth0')
    const send = async (frames: Buffer[]) => {
      for (const frame of frames) await sender.send(frame)
    }
    const text = 'abcdefgh'.repeat(29)
    const pieces = cuts(240, 80)
    await send(datagram(text, pieces, 1).reverse())
    await eventually('the first', () => heard.includes(`got 192.0.2.10 ${text}\n`))
    heard = ''
    const evil = datagram('x'.repeat(232), [{ from: 152, to: 232, more: true }], 2)
    const good = datagram(text, pieces, 2)
    await send([good[0], good[1], ...evil, good[2], ...good])
    await send(datagram(text.toUpperCase(), [pieces[2], pieces[0], pieces[0], pieces[1]], 3))
    await eventually('the last', () => heard.includes(text.toUpperCase()))
    expect(heard).toBe(`got 192.0.2.10 ${text.toUpperCase()}\n`)
    expect((await daemon.port('guest')).drops.fragment_invalid).toBeGreaterThanOrEqual(4)
  })
})
