/** Sockets that cannot be made: what the kernel says, in one line with its remedy. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import type { Spec } from '../../src/control/member.ts'
import { explain } from '../../src/control/plug.ts'
import { type NativeError, native } from '../../src/memory/native.ts'
import { userId } from '../../src/port/device.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { folder } from '../lab/folder.ts'

afterEach(cleanup)

/** The line of the refusal of a socket there. */
function refused(path: string, owner: string | null = null): string {
  try {
    const fd = native.unixListen({ path, kind: 'stream', mode: 0o660, owner: userId(owner) })
    native.descriptorClose(fd)
    return ''
  } catch (error) {
    return explain({ name: 'a', path, owner } as Spec, error as NativeError).message
  }
}

it('a folder that is not there, and one that is none', () => {
  const place = folder('plug')
  expect(refused(join(place, 'no/a.sock'))).toBe(
    `port a: there is no folder ${place}/no; create it first (mkdir -p ${place}/no)`,
  )
  writeFileSync(join(place, 'file'), '')
  expect(refused(join(place, 'file/a.sock'))).toBe(`port a: ${place}/file is no folder; choose another path`)
})

it('a file that is no socket, a socket that somebody has, and a dead one', async () => {
  const place = folder('plug')
  mkdirSync(join(place, 'b'))
  expect(refused(join(place, 'b'))).toBe(
    `port a: ${place}/b is there and is no socket; remove it or choose another path`,
  )
  const server = createServer()
  defer(() => server.close())
  await new Promise<void>((resolve) => server.listen(join(place, 'c'), resolve))
  expect(refused(join(place, 'c'))).toBe(
    `port a: a process listens at ${place}/c already; end it or choose another path`,
  )
  expect(refused(join(place, 'd'))).toBe('')
  expect(refused(join(place, 'd'))).toBe('')
})

it('an owner that is nobody', () => {
  expect(refused(join(folder('plug'), 'a'), 'no-such-user')).toBe(
    'port a: there is no user no-such-user; name an existing user as owner',
  )
})

it.each([
  ['EACCES', 'bind', /may not write into \/run\/vm; choose a path in a folder of its own/],
  ['EACCES', 'connect', /\/run\/vm\/a is another user's socket; remove it/],
  ['EPERM', 'chown', /may not give \/run\/vm\/a to vm; leave out owner/],
  ['EROFS', 'bind', /\/run\/vm is read-only/],
  ['EIO', 'bind', /port a: bind: odd; choose another path/],
])('%s from %s', (code, syscall, line) => {
  const error = Object.assign(new Error(`${syscall}: odd`), { code, syscall }) as NativeError
  expect(explain({ name: 'a', path: '/run/vm/a', owner: 'vm' } as Spec, error).message).toMatch(line)
})
