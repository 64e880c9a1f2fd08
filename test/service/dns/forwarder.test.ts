/** The forwarder between real clients (dig) and a real server (dnsmasq), on loopback. */
import { spawn } from 'node:child_process'
import * as dgram from 'node:dgram'
import * as net from 'node:net'
import packet from 'dns-packet'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup, defer } from '../../lab/cleanup.ts'
import { says } from '../../lab/command.ts'
import { suite } from '../../lab/peer.ts'
import { Front, guests, server, settings, yes } from './front.ts'

/** A port of loopback where nobody listens. */
const NOBODY = '127.0.0.1:9'

suite('DNS forwarder', ['dig', 'dnsmasq'], () => {
  afterAll(cleanup)
  let upstream = ''

  beforeAll(async () => {
    const probe = dgram.createSocket('udp4')
    await new Promise<void>((bound) => probe.bind(0, '127.0.0.1', bound))
    const { port } = probe.address()
    probe.close()
    const records = ['--address=/host.example/192.0.2.7', '--txt-record=long.example', '--local=/example/']
    records[1] += Array.from({ length: 12 }, (_, index) => `,${'x'.repeat(200)}${index}`).join('')
    const options = [
      '--keep-in-foreground',
      '--no-resolv',
      '--no-hosts',
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
    ]
    const child = spawn('dnsmasq', [
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=root',
      `--port=${port}`,
      '--log-facility=-',
      '--local-ttl=60',
      '--log-queries',
      ...options,
      ...records,
    ])
    defer(() => child.kill('SIGKILL'))
    await says(child, /started/)
    upstream = `127.0.0.1:${port}`
  })

  it('answers for guests, written names and their addresses', async () => {
    const front = await Front.start()
    for (const name of ['web.lab.internal', 'WEB.Lab.Internal', 'web'])
      expect(await front.short(name), name).toEqual(['10.0.2.15'])
    expect(await front.short('db.lab.internal')).toEqual(['10.0.2.20'])
    expect(await front.short('alias.example')).toEqual(['10.0.2.20'])
    expect(await front.short('gateway.lab.internal')).toEqual(['10.0.2.2'])
    expect(await front.short('-x', '10.0.2.15')).toEqual(['web.lab.internal.'])
    expect(await front.short('-x', '10.0.2.20')).toEqual(['db.lab.internal.'])
    expect(await front.short('-x', '10.0.2.2')).toEqual(['gateway.lab.internal.'])
    expect(await front.dig('web.lab.internal')).toMatch(/status: NOERROR[\s\S]*flags: qr aa rd ra;/)
    expect(front.forwarder.counts.own).toBe(front.forwarder.counts.queries)
  })

  it('says what is not there, and forwards none of it', async () => {
    const front = await Front.start({ forward: [NOBODY] })
    expect(await front.dig('nobody.lab.internal')).toMatch(
      /NXDOMAIN[\s\S]*AUTHORITY: 1[\s\S]*SOA\s+gateway.lab.internal/,
    )
    expect(await front.dig('-x', '10.0.2.99')).toMatch(/NXDOMAIN/)
    expect(await front.dig('web.lab.internal', 'AAAA')).toMatch(/NOERROR[\s\S]*ANSWER: 0, AUTHORITY: 1/)
    expect(await front.dig('lab.internal', 'MX')).toMatch(/NOERROR[\s\S]*ANSWER: 0, AUTHORITY: 1/)
    expect(await front.dig('lab.internal', 'SOA')).toMatch(/ANSWER: 1/)
    expect(await front.dig('we\\.b\\195.lab.internal')).toMatch(/NXDOMAIN/)
    expect(front.forwarder.counts.forwarded).toBe(0)
    guests.late = 0x0a000233
    expect(await front.short('late')).toEqual(['10.0.2.51'])
  })

  it('refuses what it is not there for', async () => {
    const front = await Front.start()
    expect(await front.dig('host.example')).toMatch(/status: REFUSED/)
    expect(await front.dig('version.bind', 'TXT', 'CH')).toMatch(/status: REFUSED/)
    expect(await front.dig('+opcode=status', 'web')).toMatch(/status: NOTIMP/)
    expect(await front.dig('+edns=7', '+noednsneg', 'web')).toMatch(/status: BADVERS/)
    expect(
      await front
        .dig('+tcp', '+noall', '+answer', '+comments', 'lab.internal', 'AXFR')
        .catch((error: Error) => error.message),
    ).toMatch(/failed|REFUSED/)
  })

  it('forwards, and answers again from the cache with the TTL left', async () => {
    const front = await Front.start({ forward: [upstream] })
    expect(await front.short('host.example')).toEqual(['192.0.2.7'])
    expect(await front.short('HOST.example')).toEqual(['192.0.2.7'])
    expect(await front.dig('nobody.example')).toMatch(/NXDOMAIN/)
    expect(front.forwarder.counts).toMatchObject({ queries: 3, cached: 1, forwarded: 2, failed: 0 })
    front.forwarder.update(settings({ forward: [upstream, NOBODY] }))
    expect(await front.short('host.example')).toEqual(['192.0.2.7'])
    expect(front.forwarder.counts.forwarded).toBe(3)
  })

  it('takes long answers by TCP, and says to who asks by UDP that they are too long', async () => {
    const front = await Front.start({ forward: [upstream] })
    expect(await front.dig('+ignore', 'long.example', 'TXT')).toMatch(/flags: qr tc[\s\S]*ANSWER: 0/)
    const whole = await front.dig('long.example', 'TXT')
    expect(whole).toMatch(/retrying in TCP/)
    expect(whole.match(/x{200}/g)).toHaveLength(12)
    expect(whole).toMatch(/udp: 1232/)
    expect(await front.dig('+noedns', '+ignore', 'long.example', 'TXT')).not.toMatch(/udp:/)
  })

  it('goes to the next server where one is not there, fails or is silent', async () => {
    const broken = await server((query, send) => send(yes(query, '', { flags: 2, answers: [] })))
    let silent = 0
    const deaf = await server(() => void silent++)
    const front = await Front.start({ forward: [NOBODY, broken, deaf, upstream] })
    expect(await front.short('host.example')).toEqual(['192.0.2.7'])
    expect(await front.dig('nobody.example')).toMatch(/NXDOMAIN/)
    expect(silent).toBe(1)
  })

  it('says SERVFAIL when nobody answers, before the asker gives up', async () => {
    const deaf = await server(() => {})
    const front = await Front.start({ forward: [deaf, NOBODY] })
    expect(await front.dig('+time=5', 'host.example')).toMatch(/status: SERVFAIL/)
    front.forwarder.update(settings({ forward: [NOBODY] }))
    expect(await front.dig('+time=1', 'host.example')).toMatch(/status: SERVFAIL/)
    expect(front.forwarder.counts.failed).toBe(2)
    const broken = await server((query, send) => send(yes(query, '', { flags: 5, answers: [] })))
    front.forwarder.update(settings({ forward: [broken] }))
    expect(await front.dig('+time=5', 'host.example')).toMatch(/status: REFUSED/)
  })

  it('believes no answer to another question', async () => {
    const liar = await server((query, send) => {
      send(yes({ ...query, id: (query.id! + 1) & 0xffff }, '192.0.2.1'))
      send(yes({ ...query, questions: [{ type: 'A', name: 'other.example' }] }, '192.0.2.2'))
      send(Buffer.from('junk'))
      send(yes(query, '192.0.2.3'))
    })
    const front = await Front.start({ forward: [liar] })
    expect(await front.short('host.example')).toEqual(['192.0.2.3'])
  })

  it('asks once for many who ask the same, and never from one port or with one id twice', async () => {
    const seen: packet.DecodedPacket[] = []
    const ports = new Set<number>()
    const slow = await server((query, send, port) => {
      seen.push(query)
      ports.add(port)
      setTimeout(() => send(yes(query)), 100)
    })
    const front = await Front.start({ forward: [slow] })
    const query = packet.encode({ type: 'query', id: 7, questions: [{ type: 'A', name: 'same.example' }] })
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => front.forwarder.datagram(query, 1472, 1)),
    )
    expect(seen).toHaveLength(1)
    expect(replies.every((reply) => reply !== null && (reply[3] & 15) === 0)).toBe(true)
    for (let index = 0; index < 20; index++) await front.short(`n${index}.example`)
    expect(new Set(seen.map(({ id }) => id)).size).toBeGreaterThan(15)
    expect(ports.size).toBeGreaterThan(15)
  })

  it('leaves room for others when one guest asks for nonsense', async () => {
    const deaf = await server(() => {})
    const front = await Front.start({ forward: [deaf] })
    const ask = (name: string) => packet.encode({ type: 'query', questions: [{ type: 'A', name }] })
    let refused = 0
    const settle = (reply: Uint8Array | null) =>
      void (refused += Number(reply !== null && (reply[3] & 15) === 2))
    for (let index = 0; index < 300; index++)
      void front.forwarder.datagram(ask(`n${index}.example`), 1472, 5).then(settle)
    await new Promise((resolve) => setImmediate(resolve))
    expect(refused).toBe(300 - 128)
    front.forwarder.update(settings({ forward: [upstream] }))
    expect(await front.short('host.example')).toEqual(['192.0.2.7'])
  })

  it('asks a server without EDNS without it', async () => {
    const old = await server((query, send) => {
      const hasOpt = query.additionals!.length > 0
      send(yes(query, '192.0.2.4', hasOpt ? { flags: 1, answers: [] } : {}))
    })
    const front = await Front.start({ forward: [old] })
    expect(await front.short('host.example')).toEqual(['192.0.2.4'])
  })

  it('answers several questions of one connection, and ends the idle, the deaf and the broken', async () => {
    const front = await Front.start()
    const socket = net.connect(front.port, '127.0.0.1')
    const message = (name: string) => {
      const bytes = packet.encode({ type: 'query', questions: [{ type: 'A', name }] })
      return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
    }
    const all = Buffer.concat(Array.from({ length: 100 }, () => message('web')))
    for (let at = 0; at < all.length; at += 77) socket.write(all.subarray(at, at + 77))
    socket.end()
    const received: Buffer[] = []
    for await (const chunk of socket) received.push(chunk as Buffer)
    const bytes = Buffer.concat(received)
    let count = 0
    for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at)) count++
    expect(count).toBe(100)
    const broken = net.connect(front.port, '127.0.0.1')
    broken.end(Buffer.from([0, 3, 1, 2, 3]))
    await new Promise((resolve) => broken.on('close', resolve).resume())
    expect(await front.short('+tcp', 'web')).toEqual(['10.0.2.15'])
  })
})
