/** What doctor says of ports that are sockets: folders on the way, their rights, the kernel's limits. */
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { check } from '../../src/control/file.ts'
import type { Finding } from '../../src/control/finding.ts'
import { guests, hugepages } from '../../src/control/guests.ts'
import { Network, Port } from '../../src/control/schema.ts'
import { cleanup } from '../lab/cleanup.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'

const nobody = 65534

function examine(socket: string, ports: Record<string, object>): Finding[] {
  const written = Object.entries(ports).map(
    ([name, keys]) =>
      [name, { input: Port.parse({ network: 'lan', ...keys }), origin: 'file' as const }] as const,
  )
  const networks = new Map([['lan', { input: Network.parse({ mode: 'internal' }), origin: 'file' as const }]])
  return guests(check({ settings: { socket }, networks, ports: new Map(written) }))
}

/** What is wrong: each line as it is printed. */
function problems(socket: string, ports: Record<string, object>): string[] {
  const found = examine(socket, ports).filter(({ ok }) => !ok)
  return found.map(({ check: what, detail, remedy }) => `${what}: ${detail}; ${remedy}`)
}

afterEach(cleanup)

it('nothing is said without such a port', () => {
  expect(examine('/run/api', {})).toEqual([])
  expect(examine('/run/api', { t: { type: 'tap' } })).toEqual([])
})

it('a machine that lacks nothing', () => {
  const socket = join(folder('guests'), 'api')
  const ports = { a: { type: 'vhost-user', queues: 4 }, b: { type: 'stream' }, c: { type: 'dgram' } }
  expect(problems(socket, ports)).toEqual([])
  const checks = examine(socket, ports).map(({ check: what }) => what)
  expect(checks.slice(0, 3)).toEqual(['sockets', 'limits', 'kvm'])
  expect(examine(socket, { b: { type: 'stream' } }).map(({ check: what }) => what)).not.toContain('kvm')
})

it('a folder that is not there; the switch makes its own', () => {
  const place = folder('guests')
  expect(problems(join(place, 'own/api'), { a: { type: 'stream' } })).toEqual([])
  expect(problems(join(place, 'own/api'), { a: { type: 'stream', path: join(place, 'vm/a.sock') } })).toEqual(
    [`sockets: port a: there is no folder ${place}/vm; create it (mkdir -p ${place}/vm)`],
  )
})

it('hugepages are a hint, never a problem', () => {
  expect(hugepages()).toMatchObject({ check: 'hugepages', ok: true, remedy: '' })
  expect(hugepages().detail).toMatch(/none reserved|of \d+ [MG]iB, \d+ free/)
})

suite('as root', [], () => {
  it('an owner who cannot get to his socket', () => {
    const place = folder('guests')
    chmodSync(place, 0o755)
    mkdirSync(join(place, 'closed/vm'), { recursive: true })
    chmodSync(join(place, 'closed'), 0o700)
    const stream = { type: 'stream', path: join(place, 'closed/vm/a.sock'), owner: nobody }
    const socket = join(place, 'api')
    expect(problems(socket, { a: stream })).toEqual([
      `sockets: port a: ${nobody} cannot enter ${place}/closed on the way to ${place}/closed/vm/a.sock; run: chmod o+x ${place}/closed`,
    ])
    chmodSync(join(place, 'closed'), 0o711)
    expect(problems(socket, { a: stream })).toEqual([])
    chownSync(join(place, 'closed'), nobody, 0)
    chmodSync(join(place, 'closed'), 0o611)
    expect(problems(socket, { a: stream })).toHaveLength(1)
  })

  it('an owner who cannot make his own end of dgram', () => {
    const place = folder('guests')
    chmodSync(place, 0o755)
    mkdirSync(join(place, 'vm'))
    const dgram = { type: 'dgram', peer: join(place, 'vm/q.sock'), owner: nobody }
    const socket = join(place, 'api')
    expect(problems(socket, { a: dgram })).toEqual([
      `sockets: port a: ${nobody} cannot make ${place}/vm/q.sock; choose a peer in a folder of ${nobody}'s`,
    ])
    chownSync(join(place, 'vm'), nobody, 0)
    expect(problems(socket, { a: dgram })).toEqual([])
  })
})
