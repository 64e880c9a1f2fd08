/** QEMU guests on unix sockets, beside a namespace on a TAP: `-netdev stream` both ways round, and `-netdev dgram`. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Daemon, leavesNothing } from '../lab/daemon.ts'
import { exchange, serveEcho } from '../lab/exchange.ts'
import { Guest } from '../lab/guest.ts'
import { Namespace } from '../lab/namespace.ts'
import { qemu, suite } from '../lab/peer.ts'
import { address, lan, mac, tap } from '../lab/plan.ts'

suite('QEMU guests on stream and dgram sockets', qemu, () => {
  let a: Namespace
  let daemon: Daemon
  const guests = {} as Record<'server' | 'client' | 'dgram', Guest>
  const at = (name: string) => join(daemon.folder, `${name}.sock`)
  const configuration = () => ({
    networks: { lan },
    ports: {
      a: tap(a, 11),
      server: { network: 'lan', type: 'stream', mode: '0600' },
      client: { network: 'lan', type: 'stream', path: at('client'), role: 'client' },
      dgram: { network: 'lan', type: 'dgram', path: at('dgram'), peer: at('qemu') },
    },
  })

  /** Named after the switch's role: QEMU has the other. */
  const server = () =>
    Guest.boot({
      plug: { type: 'stream', path: at('server'), role: 'client' },
      mac: mac(21),
      address: 'dhcp',
    })
  const client = () =>
    Guest.boot({
      plug: { type: 'stream', path: at('client'), role: 'server' },
      mac: mac(22),
      address: `${address(22)}/24`,
    })
  const dgram = () =>
    Guest.boot({
      plug: { type: 'dgram', path: at('qemu'), peer: at('dgram') },
      mac: mac(23),
      address: `${address(23)}/24`,
    })
  const states = async () =>
    Object.fromEntries((await daemon.ports()).map(({ name, state }) => [name, state]))
  const isUp = (name: string) => async () => (await daemon.port(name)).state === 'up'

  beforeAll(async () => {
    a = new Namespace('a')
    daemon = new Daemon({ networks: {} })
    daemon.write(configuration())
    await daemon.up()
    await serveEcho(a)
  })
  afterAll(cleanup)

  it('nobody has to be there for the switch to be ready', async () => {
    expect(await states()).toMatchObject({ a: 'up', server: 'waiting', client: 'waiting', dgram: 'up' })
    expect((await daemon.port('server')).reason).toBe('no peer is connected')
    expect(statSync(at('server')).mode & 0o777).toBe(0o600)
    expect(statSync(at('dgram')).mode & 0o777).toBe(0o660)
  })

  it('a guest that connects boots and leases an address', async () => {
    guests.server = await server()
    await a.exec(['ping', '-c', '2', '-i', '0.2', guests.server.address])
  })

  it('a guest that listens boots', async () => {
    guests.client = await client()
    await a.exec(['ping', '-c', '2', '-i', '0.2', address(22)])
  })

  it('a guest that sends datagrams boots', async () => {
    guests.dgram = await dgram()
    await a.exec(['ping', '-c', '2', '-i', '0.2', address(23)])
    await eventually('all are up', async () => Object.values(await states()).every((state) => state === 'up'))
  })

  it('guests and a namespace exchange data, both ways', async () => {
    for (const guest of Object.values(guests)) {
      await exchange(a, guest.address)
      const file = 'head -c 300000 /dev/urandom > /tmp/sent'
      await guest.exec(`${file}; nc ${address(11)} 7 < /tmp/sent > /tmp/back; cmp /tmp/sent /tmp/back`)
    }
  })

  it('guests reach each other, with full frames', async () => {
    await guests.dgram.exec(`ping -c 2 -s 1472 ${guests.server.address}`)
    await guests.server.exec(`ping -c 2 -s 1472 ${address(22)}`)
    const text = await guests.client.exec(`wget -q -O - http://${guests.server.address}/`)
    expect(text.trim()).toBe('guest')
    await a.exec(['ping', '-M', 'do', '-s', '1472', '-c', '1', address(23)])
  })

  it('a guest that is killed is forgotten, and comes again', async () => {
    const before = (await daemon.macs()).find((each) => each.mac === mac(21))
    expect(before?.port).toBe('server')
    await guests.server.stop()
    await eventually('the port waits', async () => !(await isUp('server')()))
    await eventually('its address is forgotten', async () =>
      (await daemon.macs()).every((each) => each.mac !== mac(21)),
    )
    guests.server = await server()
    await exchange(a, guests.server.address)
  })

  it('a restarted daemon finds its peers again, and they lose nothing but time', async () => {
    expect(await daemon.stop()).toBe(0)
    expect([existsSync(at('server')), existsSync(at('dgram')), existsSync(at('client'))]).toEqual([
      false,
      false,
      true,
    ])
    await daemon.up()
    await eventually('QEMU is found', isUp('client'))
    await exchange(a, address(22))
    await exchange(a, address(23))
  })

  it('a port that is removed takes its socket along, and the others notice nothing', async () => {
    const { dgram: gone, ...ports } = configuration().ports
    const talk = exchange(a, address(22))
    await daemon.reload({ networks: { lan }, ports })
    await talk
    expect([gone.type, existsSync(at('dgram'))]).toEqual(['dgram', false])
    expect(await states()).toMatchObject({ client: 'up' })
  })

  it('a killed daemon leaves no socket behind', async () => {
    await daemon.stop('SIGKILL')
    await leavesNothing(daemon)
    await eventually('no socket', () => !existsSync(at('server')))
  })
})
