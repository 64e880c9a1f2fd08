import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup } from '../lab/cleanup.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { probe, start } from './probe.ts'

suite('namespace', ['setpriv'], () => {
  afterAll(cleanup)

  it('tells a namespace from what is gone and what is none', async () => {
    const inside = new Namespace('ns')
    expect(native.namespaceExists(inside.path)).toBe(true)
    expect(native.namespaceExists(`/proc/${process.pid}/ns/net`)).toBe(true)
    inside.remove()
    expect(native.namespaceExists(inside.path)).toBe(false)
    const ended = await start('')
    ended.kill('SIGKILL')
    await new Promise((resolve) => ended.on('close', resolve))
    for (const path of [`/proc/${ended.pid}/ns/net`, '/etc/hostname', `/proc/${process.pid}/ns/mnt`, '']) {
      expect(native.namespaceExists(path), path).toBe(false)
    }
  })

  it('throws where the right to look is missing', async () => {
    const call = `process.setgid(65534); process.setuid(65534); return attempt(() => native.namespaceExists('/proc/1/ns/net'))`
    expect(await probe(call)).toEqual(['EACCES', 'open', '/proc/1/ns/net'])
  })

  it('unshares the calling thread, with loopback up and mounts of its own', async () => {
    const place = folder('bind')
    const [source, target] = [join(place, 'source'), join(place, 'target')]
    writeFileSync(source, 'inside')
    writeFileSync(target, 'outside')
    const found = await probe(`
      const { execFileSync } = require('node:child_process')
      native.namespaceUnshare()
      native.mountBind(${JSON.stringify(source)}, ${JSON.stringify(target)})
      const links = native.linkList('').map((link) => [link.ifname, link.up])
      return { links, child: execFileSync('cat', [${JSON.stringify(target)}], { encoding: 'utf8' }) }`)
    expect(found).toEqual({ links: [['lo', true]], child: 'inside' })
    expect(readFileSync(target, 'utf8')).toBe('outside')
  })

  it('enters a namespace', async () => {
    const inside = new Namespace('ns')
    await inside.exec(['ip', 'link', 'add', 'mark', 'type', 'veth', 'peer', 'name', 'other'])
    const found = await probe(`
      native.namespaceEnter(${JSON.stringify(inside.path)})
      return native.linkList('').map((link) => link.ifname).sort()`)
    expect(found).toEqual(['lo', 'mark', 'other'])
  })

  it('names what failed', async () => {
    const bare = ['setpriv', '--bounding-set=-sys_admin']
    expect(await probe('return attempt(() => native.namespaceUnshare())', bare)).toEqual([
      'EPERM',
      'unshare',
      null,
    ])
    const enter = (path: string) => `return attempt(() => native.namespaceEnter(${JSON.stringify(path)}))`
    const { path } = new Namespace('ns')
    expect(await probe(enter(path), bare)).toEqual(['EPERM', 'setns', path])
    expect(await probe(enter('/nowhere'))).toEqual(['ENOENT', 'open', '/nowhere'])
    expect(await probe(enter('/etc/hostname'))).toEqual(['EINVAL', 'setns', '/etc/hostname'])
    const failure = { code: 'ENOENT', syscall: 'mount', path: '/nowhere' }
    expect(() => native.mountBind('/etc/hostname', '/nowhere')).toThrow(expect.objectContaining(failure))
  })
})
