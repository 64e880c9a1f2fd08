/** What `port add` prints starts a real QEMU, for every type of port that a guest is plugged into. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { cleanup, defer } from '../lab/cleanup.ts'
import { eventually, must, says } from '../lab/command.ts'
import { Daemon, program } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'

const mac = '52:54:00:00:00:01'

suite('plugging a guest in', ['qemu-system-x86_64', 'script'], () => {
  let daemon: Daemon
  beforeAll(async () => {
    daemon = await Daemon.start({ networks: { lan: { mode: 'internal' } } })
  })
  afterEach(() => daemon.attempt(['port', 'rm', 'vm1']))
  afterAll(cleanup)
  const add = ['port', 'add', 'vm1', '--network', 'lan']

  /** A QEMU of these words whose guest does not run, with its monitor on stdio. */
  function qemu(words: string): ChildProcess {
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
    const words = await daemon.cli(...add, '--mac', mac, ...options)
    expect(words).toBe(await daemon.cli('port', 'args', 'vm1'))
    const child = qemu(words)
    const text = await network(child)
    expect(text).toMatch(told)
    expect(text).toContain(`macaddr=${mac}`)
    expect((await daemon.port('vm1')).state).toBe('up')
    expect(JSON.parse(await daemon.cli('port', 'ls', '--json'))).toEqual(await daemon.ports())
    child.kill('SIGKILL')
  })

  it.each([
    [['--type', 'vhost-user'], /net-vm1: index=0,type=vhost-user,/],
    [['--type', 'vhost-user', '--queues', '2', '--mtu', '1400'], /net-vm1: index=1,type=vhost-user,/],
    [['--type', 'vhost-user', '--role', 'client'], /net-vm1: index=0,type=vhost-user,/],
    [['--type', 'stream'], /net-vm1: index=0,type=stream,/],
    [['--type', 'stream', '--role', 'client'], /net-vm1: index=0,type=stream,/],
    [['--type', 'dgram'], /net-vm1: index=0,type=dgram,/],
  ])('%j', async (options, told) => {
    const words = await daemon.cli(...add, '--memory', '64M', ...options)
    const child = qemu(words)
    expect(await network(child)).toMatch(told)
    const isConnected = async () => (await daemon.port('vm1')).socket?.connected
    if (options.includes('dgram')) expect(await isConnected()).toBe(null)
    else await eventually('QEMU is connected', isConnected)
    expect(await daemon.cli('port', 'ls')).toContain(join(daemon.folder, 'vm1.sock'))
    child.kill('SIGKILL')
    await eventually('nobody is connected', async () => !(await isConnected()))
    await daemon.cli('port', 'rm', 'vm1')
    expect(existsSync(join(daemon.folder, 'vm1.sock'))).toBe(options.includes('client'))
  })

  it('on a terminal what is printed is one command line', async () => {
    await daemon.cli(...add, '--type', 'stream', '--path', join(folder('a path'), 's'))
    const inside = [process.execPath, program, '--socket', daemon.socket, 'port', 'args', 'vm1']
    const typed = inside.map((word) => `'${word}'`).join(' ')
    const text = (await daemon.host.exec(['script', '-qec', typed, '/dev/null'])).replaceAll('\r', '')
    const words = (await must(['sh', '-c', `printf '%s\\n' ${text}`])).trim().split('\n')
    expect(words).toEqual(JSON.parse(await daemon.cli('port', 'args', 'vm1', '--json')).qemu)
    expect(text.split('\n')).toHaveLength(3)
  })

  it('nothing is printed where nothing is asked for, and nothing is added where it could not be', async () => {
    expect(await daemon.cli(...add, '--type', 'dgram', '--format', 'none')).toBe('')
    expect(await daemon.cli('port', 'args', 'vm1', '--format', 'libvirt')).toContain('<qemu:commandline')
    await daemon.cli('port', 'rm', 'vm1')
    for (const [options, status, line] of [
      [['--type', 'tap', '--format', 'libvirt'], 1, /no guest is plugged into a tap; leave it out/],
      [['--type', 'dgram', '--format', 'xml'], 2, /Allowed choices are qemu, libvirt, none/],
      [['--type', 'vhost-user', '--memory', 'much'], 2, /expected a size such as 1G or 512M/],
      [
        ['--type', 'stream', '--path', '/no/such/folder/s'],
        1,
        /no folder \/no\/such\/folder; create it first/,
      ],
      [
        ['--type', 'stream', '--role', 'client', '--owner', 'root'],
        1,
        /owner: found "root", expected no such key/,
      ],
    ] as const) {
      const result = await daemon.attempt([...add, ...options])
      expect(result).toMatchObject({ status, stdout: '' })
      expect(result.stderr).toMatch(line)
      expect(result.stderr.trim().split('\n')).toHaveLength(1)
    }
    expect(await daemon.ports()).toEqual([])
    expect((await daemon.attempt(['port', 'args', 'vm1'])).stderr).toMatch(
      /none of that name; see bridgeport port ls/,
    )
  })
})
