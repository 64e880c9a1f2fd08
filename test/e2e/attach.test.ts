/** What `port add` prints starts a real QEMU, for every type of port that a guest is plugged into. */
import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, expect, it } from 'vitest'
import { cleanup, defer } from '../lab/cleanup.ts'
import { says } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { suite } from '../lab/peer.ts'

const mac = '52:54:00:00:00:01'

suite('plugging a guest in', ['qemu-system-x86_64'], () => {
  afterEach(cleanup)

  /** A QEMU of these words whose guest does not run, with its monitor on stdio. */
  function qemu(daemon: Daemon, words: string): ChildProcess {
    const bare = 'exec qemu-system-x86_64 -S -accel tcg -nodefaults -nographic -monitor stdio $0'
    const [command = '', ...args] = daemon.host.argv('sh', '-c', bare, words)
    const child = spawn(command, args)
    defer(() => child.kill('SIGKILL'))
    return child
  }

  /** What the monitor says of its network. */
  async function network(child: ChildProcess): Promise<string> {
    await says(child, /\(qemu\) /)
    child.stdin?.write('info network\n')
    return (await says(child, /info network[\s\S]*\(qemu\) $/)).replaceAll('\r', '')
  }

  it.each([
    [['--type', 'qemu-tap', '--ifname', 'tap7'], /index=0,type=tap,ifname=tap7/],
    [['--type', 'qemu-tap', '--queues', '2'], /index=1,type=tap,ifname=vm1/],
  ])('%j', async (options, told) => {
    const daemon = await Daemon.start({ networks: { lan: { mode: 'internal' } } })
    const words = await daemon.cli('port', 'add', 'vm1', '--network', 'lan', '--mac', mac, ...options)
    expect(words).toBe(await daemon.cli('port', 'args', 'vm1'))
    const text = await network(qemu(daemon, words))
    expect(text).toMatch(told)
    expect(text).toContain(`macaddr=${mac}`)
    expect((await daemon.port('vm1')).state).toBe('up')
  })
})
