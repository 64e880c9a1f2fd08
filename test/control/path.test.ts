/** Ports that are sockets: what is filled in, and paths that cannot be. */
import { describe, expect, it } from 'vitest'
import { check } from '../../src/control/file.ts'
import type { Refusal } from '../../src/control/refusal.ts'
import { Network, Port } from '../../src/control/schema.ts'

const lan = Network.parse({ mode: 'internal' })

function resolve(ports: Record<string, object>, socket?: string) {
  const parsed = Object.entries(ports).map(
    ([name, keys]) =>
      [name, { input: Port.parse({ network: 'lan', ...keys }), origin: 'file' as const }] as const,
  )
  const networks = new Map([['lan', { input: lan, origin: 'file' as const }]])
  return check({ settings: socket === undefined ? {} : { socket }, networks, ports: new Map(parsed) }).ports
}

function lines(ports: Record<string, object>, socket?: string): readonly string[] {
  try {
    resolve(ports, socket)
  } catch (error) {
    return (error as Refusal).lines
  }
  return []
}

describe('what is filled in', () => {
  it('a socket beside the switch’s own, of the switch, 0660', () => {
    const ports = resolve({ a: { type: 'vhost-user' }, b: { type: 'stream' }, c: { type: 'dgram' } })
    expect(ports.get('a')).toMatchObject({
      path: '/run/bridgeport/a.sock',
      peer: '',
      role: 'server',
      mode: 0o660,
      owner: null,
      queues: 1,
      ifname: '',
      mac: null,
    })
    expect(ports.get('b')).toMatchObject({ path: '/run/bridgeport/b.sock', peer: '', role: 'server' })
    expect(ports.get('c')).toMatchObject({
      path: '/run/bridgeport/c.sock',
      peer: '/run/bridgeport/c-qemu.sock',
    })
    expect(resolve({ a: { type: 'stream' } }, '/tmp/x/api').get('a')?.path).toBe('/tmp/x/a.sock')
  })

  it('every key', () => {
    const keys = { path: '/run/vm/a', queues: 4, mode: '0600', owner: 64055, mtu: 1400, offload: false }
    const { a, b } = Object.fromEntries(
      resolve({ a: { type: 'vhost-user', ...keys }, b: { type: 'stream', role: 'client', path: '/run/b' } }),
    )
    expect(a).toMatchObject({ ...keys, mode: 0o600, owner: '64055' })
    expect(b).toMatchObject({ path: '/run/b', role: 'client', offload: true, queues: 1 })
  })
})

describe('what is refused, in one line', () => {
  const long = `/${'x'.repeat(90)}`
  it.each([
    [
      { a: { type: 'stream', path: '/x' }, b: { type: 'stream', path: '/x' } },
      'ports.b.path',
      'another path than the path of ports.a of the file',
    ],
    [{ a: { type: 'dgram', path: '/x', peer: '/x' } }, 'ports.a.peer', 'than the path of ports.a'],
    [
      { a: { type: 'dgram', path: '/x', peer: '/y' }, b: { type: 'dgram', path: '/z', peer: '/run/../y' } },
      'ports.b.peer',
      'than the peer of ports.a',
    ],
    [
      { a: { type: 'stream', path: '/x' }, b: { type: 'vhost-user', role: 'client', path: '//x' } },
      'ports.b.path',
      'than the path of ports.a',
    ],
    [{ bridgeport: { type: 'stream' } }, 'ports.bridgeport.path', "than the switch's own socket"],
    [
      { a: { type: 'stream', role: 'client', mode: '0600' } },
      'ports.a.mode',
      'found "0600", expected no such key: with role client the socket is made by the other end',
    ],
    [
      { a: { type: 'vhost-user', role: 'client', owner: 'libvirt-qemu' } },
      'ports.a.owner',
      'found "libvirt-qemu", expected no such key',
    ],
    [{ a: { type: 'stream', guard: true } }, 'ports.a.mac', 'the MAC that guard lets it send with'],
    [{ a: { type: 'stream', address: '10.0.0.1/24' } }, 'ports.a.address', 'has its own stack'],
  ])('%j', (ports, path, text) => {
    const found = lines(ports)
    expect(found).toHaveLength(1)
    expect(found[0]?.startsWith(`${path}: `)).toBe(true)
    expect(found[0]).toContain(text)
  })

  it('a path that a long folder makes too long', () => {
    expect(lines({ seventeen_letters: { type: 'stream' } }, `${long}/api`)).toEqual([
      `ports.seventeen_letters.path: found nothing, expected an absolute path of at most 107 bytes: ${long}/seventeen_letters.sock would be longer`,
    ])
  })

  it.each(['relative', `/${'x'.repeat(107)}`, '/run/folder/', '/a\nb', '/', ''])('the path %j', (path) => {
    const { success, error } = Port.safeParse({ network: 'lan', type: 'stream', path })
    expect(success).toBe(false)
    expect(error?.issues[0]?.message).toBe('an absolute path of at most 107 bytes')
  })

  it.each([
    ['stream', 'queues'],
    ['dgram', 'queues'],
    ['dgram', 'role'],
    ['stream', 'peer'],
    ['vhost-user', 'ifname'],
  ])('%s has no %s', (type, key) => {
    const { error } = Port.safeParse({ network: 'lan', type, [key]: 'server' })
    expect(error?.issues.map(({ message }) => message.split(' ')[0])).toEqual(['one'])
  })
})
