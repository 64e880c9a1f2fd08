/** `bridgeport run`: a process with a namespace of its own, plugged into a network. */
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, says } from '../lab/command.ts'
import { Daemon, leavesNothing, program } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, hostAddress, lan, tap } from '../lab/plan.ts'

suite('bridgeport run', [], () => {
  let a: Namespace
  let daemon: Daemon

  beforeAll(async () => {
    a = new Namespace('a')
    daemon = await Daemon.start({ networks: { lan }, ports: { a: tap(a, 11) } })
  })
  afterAll(cleanup)

  const run = (...argv: string[]) => daemon.attempt(['run', '--network', 'lan', '--', ...argv])
  const names = async () => (await daemon.ports()).map((port) => port.name)

  /** A `run` that goes on until it is ended from outside; the child is the command line itself. */
  async function begin(script: string) {
    const [command = '', ...args] = daemon.host.argv(
      ...[
        process.execPath,
        program,
        '--socket',
        daemon.socket,
        'run',
        '--network',
        'lan',
        '--',
        'sh',
        '-c',
        script,
      ],
    )
    const child = spawn(command, args)
    await says(child, /begun/)
    return child
  }

  it('gives an address of the subnet, a route, loopback and the network', async () => {
    const script = `ip -4 -o addr show dev eth0; ip -4 route; ping -c 1 -W 2 ${address(11)} > /dev/null && ping -c 1 -W 2 ${hostAddress} > /dev/null && ping -c 1 127.0.0.1 > /dev/null && echo reached`
    const result = await run('sh', '-c', script)
    expect(result.stderr).toBe('')
    expect(result.stdout).toMatch(/inet 10\.7\.0\.\d+\/24/)
    expect(result.stdout).toContain(`default via ${hostAddress}`)
    expect(result.stdout).toContain('reached')
    expect(result.stdout).not.toContain(`inet ${address(11)}/`)
  })

  it('gives two processes two addresses', async () => {
    const script = 'echo begun; ip -4 -o addr show dev eth0; sleep 30'
    const [one, two] = [await begin(script), await begin(script)]
    const rows = (await daemon.ports()).filter(
      (port) => port.name !== 'a' && port.address?.startsWith('10.7.0.'),
    )
    const addresses = rows.map((row) => row.address)
    expect(new Set(addresses).size).toBe(addresses.length)
    expect(addresses.length).toBeGreaterThanOrEqual(2)
    for (const child of [one, two]) child.kill('SIGTERM')
    await eventually(
      'ports are gone',
      async () => (await names()).filter((name) => name.startsWith('run')).length === 0,
    )
  })

  it.each([0, 1, 42])('passes on exit status %i', async (status) => {
    expect((await run('sh', '-c', `exit ${status}`)).status).toBe(status)
  })

  it('passes on death by a signal as a shell does', async () => {
    expect((await run('sh', '-c', 'kill -TERM $$')).status).toBe(143)
  })

  it('says in one line what it cannot start', async () => {
    const result = await run('/no/such/program')
    expect(result.status).toBe(127)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
    expect(result.stderr).toContain('/no/such/program')
  })

  it('passes signals to the process', async () => {
    const child = await begin('trap "echo caught; exit 7" TERM; echo begun; while :; do sleep 0.1; done')
    const caught = says(child, /caught/)
    const status = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGTERM')
    await caught
    expect(await status).toBe(7)
  })

  it('leaves nothing behind: no port, no interface, no process', async () => {
    const before = await names()
    const interfaces = daemon.host.interfaces()
    await run('true')
    expect(await names()).toEqual(before)
    expect(daemon.host.interfaces()).toEqual(interfaces)
  })

  it('leaves nothing behind when it is killed itself', async () => {
    const before = await names()
    const child = await begin('echo begun; exec sleep 100')
    expect((await names()).length).toBe(before.length + 1)
    child.kill('SIGKILL')
    await eventually('the port is gone', async () => (await names()).length === before.length)
    await eventually('the process is gone', () => daemon.host.pids().length <= 2)
  })

  it('has its own resolv.conf and leaves the host its own', async () => {
    const { stdout } = await run('sh', '-c', 'grep resolv.conf /proc/self/mounts')
    expect(stdout).toContain('/etc/resolv.conf')
    expect(await daemon.host.exec(['sh', '-c', 'grep -c "/etc/resolv.conf" /proc/self/mounts || true'])).toBe(
      '0\n',
    )
  })

  it('knows none, host and container', async () => {
    const links = ['sh', '-c', 'ip -o link | wc -l']
    expect((await daemon.cli('run', '--network', 'none', '--', ...links)).trim()).toBe('1')
    expect(await daemon.cli('run', '--network', 'none', '--', 'ping', '-c', '1', '127.0.0.1')).toContain(
      ' 0% packet loss',
    )
    const own = await daemon.cli('run', '--network', 'host', '--', 'ip', '-o', 'link')
    expect(own).toContain('bp-lan')
    const sleeper = a.spawn('sleep', '100')
    const joined = await daemon.cli('run', '--network', `container:${sleeper.pid}`, '--', 'ip', '-4', 'addr')
    expect(joined).toContain(address(11))
  })

  it('refuses an unknown network in one line', async () => {
    const result = await daemon.attempt(['run', '--network', 'nowhere', '--', 'true'])
    expect(result.status).toBe(1)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
    expect(result.stderr).toContain('nowhere')
  })

  it('ends with the switch: nothing left', async () => {
    expect(await daemon.stop()).toBe(0)
    await leavesNothing(daemon)
  })
})
