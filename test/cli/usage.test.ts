/** The command line without a switch: statuses, one line each, never a stack trace. Needs the bundle of `npm run build`. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { attempt } from '../lab/command.ts'
import { program } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'

afterEach(cleanup)

const bundle = join(program, '../../dist/cli.js')
const run = (argv: string[], env: Record<string, string> = {}) =>
  attempt([process.execPath, program, ...argv], { env })

/** Commands that talk to a switch. */
const talking = [
  'status',
  'reload',
  'down',
  'port ls',
  'network ls',
  'mac ls',
  'mac flush',
  'port rm a',
  'port args a --format libvirt --memory 2G',
  'port add a --network n --type dgram',
  'network rm a',
  'neigh ls',
  'publish ls',
  'conntrack ls',
  'conntrack flush',
  'lease ls',
  'rules save -c',
  'set ls',
  'set test a 192.0.2.1',
  'set add a 192.0.2.1 timeout 60 --exist',
  'why x --port vm1',
  'run --network lan -- true',
  'top --once',
]

describe.runIf(existsSync(bundle))('bridgeport', () => {
  it.each([
    [['nonsense'], /unknown command 'nonsense'/],
    [['port', 'nonsense'], /unknown command 'nonsense'/],
    [['port', 'add', 'a'], /--network/],
    [['port', 'add', 'a', '--network', 'n'], /--type/],
    [['port', 'add', '--network', 'n', '--type', 'tap'], /missing required argument 'name'/],
    [['port', 'ls', '--colour'], /unknown option '--colour'/],
    [['port', 'args', 'a', '--format', 'xml'], /qemu, libvirt, none/],
    [['port', 'args', 'a', '--memory', '1'], /a size such as 1G/],
    [['run', '--network', 'none'], /missing required argument/],
    [['run', '--', 'true'], /--network/],
    [['mac', 'add', '52:54:00:00:00:01'], /--network/],
    [['up', '-c'], /argument missing/],
    [['set', 'add', 'a'], /entry/],
    [['capture'], /name a port or a network, or ask for --all/],
    [['capture', 'a', '-c', 'abc'], /a whole number from 1/],
    [['capture', 'a', '--snap=-5'], /a whole number from 0 to 262144/],
    [['capture', 'a', '--direction', 'up'], /in, out, both/],
    [['top', '--interval', '0'], /a number from 0.25 to 60/],
  ])('%j is wrong usage: status 2', async (argv, line) => {
    const { status, stderr, stdout } = await run(argv)
    expect(status).toBe(2)
    expect(stderr).toMatch(line)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(/^bridgeport: /)
    expect(stdout).toBe('')
  })

  it.each(talking)('%s without a switch: status 1, where it looked and how to start one', async (command) => {
    const socket = join(folder('none'), 'no.sock')
    const { status, stderr } = await run(command.split(' '), { BRIDGEPORT_SOCKET: socket })
    expect(status).toBe(1)
    expect(stderr).toBe(`bridgeport: no switch answers at ${socket}; start it with \`bridgeport up\`\n`)
  })

  it('--socket goes before and after the command, and before $BRIDGEPORT_SOCKET', async () => {
    for (const argv of [
      ['--socket', '/x.sock', 'status'],
      ['status', '--socket', '/x.sock'],
    ])
      expect((await run(argv, { BRIDGEPORT_SOCKET: '/y.sock' })).stderr).toContain('at /x.sock;')
  })

  it('top needs a terminal, --json one view: status 1, and what to do instead', async () => {
    expect(await run(['top'])).toMatchObject({
      status: 1,
      stderr: 'bridgeport: top: it needs a terminal; use --once for one view as text\n',
    })
    expect((await run(['top', '--json'])).stderr).toMatch(/^bridgeport: top --json: .*--once\n$/)
  })
})

describe.runIf(existsSync(bundle))('bridgeport on its own', () => {
  it('help and version are no errors', async () => {
    for (const argv of [['--help'], ['help'], ['port', '--help'], ['--version']])
      expect((await run(argv)).status).toBe(0)
  })

  it('a file that is not there', async () => {
    const { status, stderr } = await run(['up', '-c', '/nowhere/f.yaml'])
    expect([status, stderr]).toEqual([
      1,
      'bridgeport: /nowhere/f.yaml: there is no such file; name another with -c FILE\n',
    ])
  })

  it('run passes on the status of a command without a switch', async () => {
    expect((await run(['run', '--network', 'host', '--', 'sh', '-c', 'exit 7'])).status).toBe(7)
    expect((await run(['run', '--network', 'host', '--', 'sh', '-c', 'kill -TERM $$'])).status).toBe(143)
    expect((await run(['run', '--network', 'host', '--', 'no-such-command'])).status).toBe(127)
    expect((await run(['run', '--network', 'host', '--', '/etc/passwd'])).status).toBe(126)
    expect((await run(['run', '--network', 'container:x', '--', 'true'])).stderr).toMatch(
      /number of a process/,
    )
  })

  it('a full disk behind its output is one, and named', async () => {
    const script = '"$0" "$1" --help > /dev/full'
    const { status, stderr } = await attempt(['sh', '-c', script, process.execPath, program])
    expect([status, stderr]).toEqual([1, 'bridgeport: ENOSPC: no space left on device, write\n'])
  })

  it('a reader that goes away is no error', async () => {
    const { status, stderr } = await attempt([
      'sh',
      '-c',
      `"$0" "$1" --help | true; echo done`,
      process.execPath,
      program,
    ])
    expect([status, stderr]).toEqual([0, ''])
  })
})
