/** The examples run: every configuration starts, the script measures. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, says } from '../lab/command.ts'
import { program } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { qemu, suite } from '../lab/peer.ts'
import { root } from '../style/source.ts'

const folder = join(root, 'examples')
/** /run and /var/lib of their own, so that a configuration's default paths are free. */
const fresh = [
  'unshare',
  '-m',
  'sh',
  '-c',
  'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec "$@"',
  'sh',
]

suite('examples', ['unshare', ...qemu], () => {
  afterEach(cleanup)

  it.each(readdirSync(folder).filter((name) => name.endsWith('.yaml')))(
    '%s starts and ends',
    async (name) => {
      const host = new Namespace('host')
      const child = host.spawn(...fresh, process.execPath, program, 'up', '-c', join(folder, name))
      await says(child, /^ready$/m)
      const inside = [
        'nsenter',
        '--mount',
        '--net',
        '--target',
        String(child.pid),
        '--',
        process.execPath,
        program,
      ]
      const ports = JSON.parse(await host.exec([...inside, 'port', 'ls', '--json'])) as { state: string }[]
      expect(ports.length).toBeGreaterThanOrEqual(3)
      expect(ports.filter((port) => port.state === 'down')).toEqual([])
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      expect(await ended).toBe(0)
      await eventually('nothing is left', () => host.interfaces().length === 0 && host.pids().length === 0)
    },
  )

  it('measure.sh joins two processes and a guest, measures them and leaves nothing', async () => {
    const host = new Namespace('host')
    const text = await host.exec([join(folder, 'measure.sh')], {
      timeoutMs: 60_000,
      env: { SECONDS_EACH: '1' },
    })
    expect(text).toMatch(/process to process +[\d.]+ ms +[\d.]+ Gbit\/s/)
    expect(text).toMatch(/process to QEMU guest +[\d.]+ ms +[\d.]+ Gbit\/s/)
    await eventually('nothing is left', () => host.interfaces().length === 0 && host.pids().length === 0)
  })
})
