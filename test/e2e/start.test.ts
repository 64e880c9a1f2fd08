/** `npm start` with the default configuration, on a host whose /run and /var/lib are its own. */
import { afterAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, eventually, must, says } from '../lab/command.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

suite('npm start', ['unshare', 'setpriv'], () => {
  afterAll(cleanup)
  const start = [process.execPath, 'scripts/start.mjs']
  let host: Namespace

  it('starts the default network, shows real traffic and says how to plug in', async () => {
    host = new Namespace('host')
    const fresh = 'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec "$@"'
    const child = host.spawn('unshare', '-m', 'sh', '-c', fresh, 'sh', ...start)
    const text = await says(child, /Ctrl-C/)
    expect(text).toMatch(/^ready$/m)
    expect(text).toMatch(
      /network default: nat 10\.0\.2\.0\/24, gateway and DNS 10\.0\.2\.2, DHCP 10\.0\.2\.15-10\.0\.2\.254/,
    )
    expect(text).toMatch(
      /real traffic: a process at 10\.0\.2\.\d+ and the host at 10\.0\.2\.2 exchanged 16 MiB/,
    )
    expect(text).toContain('names: gateway.default.internal is 10.0.2.2')
    expect(text).toContain('outside: this host has no default route')
    for (const word of [
      'qemu-tap',
      'publish add tcp::8080-10.0.2.100:80',
      '--type vhost-user --owner',
      'port args vm2',
      '--network none',
      'pid:$(',
      'bridgeport run --network default',
    ]) {
      expect(text).toContain(word)
    }

    const inside = ['nsenter', '--mount', '--net', '--target', String(child.pid), '--']
    const second = await must([...inside, 'sh', '-c', `cd '${process.cwd()}' && exec ${start.join(' ')}`])
    expect(second).toContain('a switch is running already')
    expect(second).toContain('real traffic')

    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGINT')
    expect(await ended).toBe(0)
    await eventually('nothing is left', () => host.interfaces().length === 0 && host.pids().length === 0)
  })

  it('says in one line which right is missing and what to run', async () => {
    const result = await attempt([
      'setpriv',
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      ...start,
      '--socket',
      '/tmp/none.sock',
    ])
    expect(result.status).toBe(1)
    expect(result.stdout).toBe('')
    expect(result.stderr).toBe(
      'bridgeport: starting the switch needs CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN; run: sudo npm start, or without rights: npm start -- -c examples/user.yaml\n',
    )
  })
})
