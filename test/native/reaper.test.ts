import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, pause } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { probe, start } from './probe.ts'

/** Makes persistent TAPs in the daemon's own namespace, their alias "bridgeport:test:NAME". */
const device = `const tap = (ifname) => native.deviceOpen({ kind: 'tap', ifname, netns: '', queues: 1, offload: false,
  persist: true, owner: -1, alias: 'bridgeport:test:' + ifname })`

/** The reapers that live in a namespace. */
function reapers(inside: Namespace): number[] {
  return inside.pids().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8') === 'bridgeport-reap\n'
    } catch {
      return false
    }
  })
}

function ended(child: ChildProcess): Promise<unknown> {
  return child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.on('close', resolve))
}

suite('reaper', [], () => {
  afterAll(cleanup)

  it('removes what a killed daemon left, and nothing else', async () => {
    const inside = new Namespace('reap')
    const place = folder('reap')
    const path = (name: string) => join(place, name)
    for (const name of ['gone', 'kept', 'replaced']) writeFileSync(path(name), '')
    const daemon = await start(
      `${device}
      native.reaperStart()
      native.reaperStart()
      native.reaperWatch('interface', 'early', 'bridgeport:test:early')
      for (const name of ['early', 'vm1', 'alien', 'later', 'forgot']) tap(name)
      native.reaperWatch('interface', 'vm1', 'bridgeport:test:vm1')
      native.reaperWatch('interface', 'alien', 'bridgeport:other:alien')
      native.reaperWatch('interface', 'later', 'bridgeport:test:later')
      native.reaperWatch('interface', 'forgot', 'bridgeport:test:forgot')
      native.reaperForget('interface', 'forgot')
      native.reaperWatch('interface', 'never', 'bridgeport:test:never')
      for (const name of ['gone', 'kept', 'replaced']) native.reaperWatch('path', ${JSON.stringify(place)} + '/' + name, '')
      native.reaperForget('path', ${JSON.stringify(path('kept'))})
      native.reaperForget('path', '/never/watched')
      require('node:child_process').spawn('sleep', ['30'], { stdio: 'ignore' })`,
      inside.argv(),
    )
    // A daemon that came after: same names, same alias, yet not what this one made.
    native.linkDelete(inside.path, 'later')
    const again = { kind: 'tap', ifname: 'later', netns: inside.path, queues: 1, offload: false } as const
    native.deviceOpen({ ...again, persist: true, owner: -1, alias: 'bridgeport:test:later' })
    writeFileSync(path('new'), '')
    renameSync(path('new'), path('replaced'))

    const [reaper = 0] = reapers(inside)
    expect(reapers(inside)).toHaveLength(1)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(reaper, signal)
    await pause(100)
    expect(inside.interfaces().sort()).toEqual(['alien', 'early', 'forgot', 'later', 'vm1'])

    daemon.kill('SIGKILL')
    await eventually('the reaper is done', () => reapers(inside).length === 0)
    expect(inside.interfaces().sort()).toEqual(['alien', 'forgot', 'later'])
    expect(['gone', 'kept', 'replaced'].filter((name) => existsSync(path(name)))).toEqual([
      'kept',
      'replaced',
    ])
  })

  it('ends at once after a daemon that leaves nothing, and is nobody’s zombie', async () => {
    const inside = new Namespace('reap')
    const daemon = await start('native.reaperStart()', inside.argv())
    const [reaper = 0] = reapers(inside)
    const status = readFileSync(`/proc/${reaper}/status`, 'utf8')
    expect(status).not.toContain(`PPid:\t${daemon.pid}\n`)
    daemon.kill('SIGTERM')
    await ended(daemon)
    await eventually('the reaper is done', () => reapers(inside).length === 0, 2000)
  })

  it('holds 1024 records and refuses one more', async () => {
    const found = await probe(
      `native.reaperStart()
      for (let index = 0; index < 1024; index++) native.reaperWatch('path', '/nowhere/' + index, '')
      native.reaperWatch('path', '/nowhere/7', '')
      const full = attempt(() => native.reaperWatch('path', '/nowhere/1024', ''))
      native.reaperForget('path', '/nowhere/7')
      native.reaperWatch('path', '/nowhere/1024', '')
      return full`,
    )
    expect(found).toEqual(['ENOSPC', 'send', null])
  })

  it('refuses what it could not do', async () => {
    const found = await probe(`
      const early = attempt(() => native.reaperWatch('path', '/nowhere', ''))
      native.reaperStart()
      return [early, attempt(() => native.reaperWatch('path', 'relative', '')),
        attempt(() => native.reaperWatch('interface', 'sixteen-letters-', '')),
        attempt(() => native.reaperWatch('path', '/' + 'x'.repeat(300), ''))]`)
    expect(found).toEqual([
      ['EBADF', 'send', null],
      ['EINVAL', 'send', 'relative'],
      ['EINVAL', 'send', 'sixteen-letters-'],
      ['ENAMETOOLONG', 'send', `/${'x'.repeat(300)}`],
    ])
  })
})
