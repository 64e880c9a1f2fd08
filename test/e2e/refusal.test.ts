/** Mistakes of users and lacks of the machine: each gives one line that names the thing, the reason and the remedy. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, must, says } from '../lab/command.ts'
import { Daemon, leavesNothing, program } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, lan, tap } from '../lab/plan.ts'

suite('refusals', ['setpriv', 'unshare'], () => {
  afterEach(cleanup)

  /** Starts a daemon that must refuse, and returns its one line. */
  async function refused(daemon: Daemon, prefix: string[] = []): Promise<string> {
    const result = await daemon.host.attempt([...prefix, process.execPath, program, 'up', '-c', daemon.file])
    expect(result.status).toBe(1)
    expect(result.stdout).not.toMatch(/^ready$/m)
    const lines = result.stderr.trim().split('\n')
    expect(lines, result.stderr).toHaveLength(1)
    return lines[0] ?? ''
  }

  function daemonWith(ports: Record<string, object>, networks: Record<string, object> = { lan }): Daemon {
    return new Daemon({ networks, ports })
  }

  it.each([
    ['an unknown key', { lan: { ...lan, colour: 'red' } }, {}, 'networks.lan.colour'],
    [
      'an address that is not there yet',
      { lan },
      { a: { network: 'lan', type: 'tap', address: 'fd00::5/64' } },
      'not available yet',
    ],
    [
      "a socket's folder that is missing",
      { lan },
      { a: { network: 'lan', type: 'stream', path: '/run/no/such/a.sock' } },
      'mkdir',
    ],
    ['a mode that leads nowhere', { lan: { ...lan, uplink: 'host' } }, {}, 'leads nowhere'],
    [
      'overlapping subnets',
      { lan, two: { ...lan, subnet: '10.7.0.128/25', gateway: '10.7.0.129' } },
      {},
      'overlap',
    ],
    ['a network that does not exist', { lan }, { a: { network: 'moon', type: 'tap' } }, 'moon'],
    [
      'a name that is too long',
      { lan },
      { a: { network: 'lan', type: 'tap', ifname: 'abcdefghijklmnop' } },
      'abcdefghijklmnop',
    ],
    [
      'a namespace that does not exist',
      { lan },
      { a: { network: 'lan', type: 'tap', netns: 'bptnowhere' } },
      'bptnowhere',
    ],
    [
      'two ports with one interface',
      { lan },
      { a: { network: 'lan', type: 'tap', ifname: 'x1' }, b: { network: 'lan', type: 'tap', ifname: 'x1' } },
      'x1',
    ],
    ['a name that is both port and network', { lan }, { lan: { network: 'lan', type: 'tap' } }, 'lan'],
  ])('%s', async (_, networks, ports, named) => {
    const daemon = daemonWith(ports, networks)
    expect(await refused(daemon)).toContain(named)
    await leavesNothing(daemon)
  })

  it('broken YAML and a port that is there twice', async () => {
    const daemon = daemonWith({})
    writeFileSync(daemon.file, 'networks: "open\n')
    expect(await refused(daemon)).toContain(daemon.file)
    writeFileSync(daemon.file, 'ports:\n  a: { network: lan, type: tap }\n  a: { network: lan, type: tap }\n')
    expect(await refused(daemon)).toMatch(/a/)
  })

  it('a link to the host whose name somebody has', async () => {
    const host = new Namespace('host')
    await host.exec(['ip', 'link', 'add', 'bp-out', 'type', 'veth', 'peer', 'name', 'far'])
    const daemon = new Daemon({ networks: { out: { mode: 'nat', subnet: '10.8.0.0/24' } } }, host)
    expect(await refused(daemon)).toMatch(/network out: .* bp-out, .* exists; .*rename/)
    expect(host.interfaces().sort()).toEqual(['bp-out', 'far'])
  })

  it('a link that the host has, and more connections than fit', async () => {
    const host = new Namespace('host')
    await host.exec(['ip', 'addr', 'add', '100.64.3.1/30', 'dev', 'lo'])
    const uplink = { host: { link: '100.64.3.0/30' } }
    const taken = new Daemon({ networks: { out: { mode: 'nat', subnet: '10.8.0.0/24', uplink } } }, host)
    expect(await refused(taken)).toMatch(/networks\.out: found the address 100\.64\.3\.1 .* lo of the host/)
    const many = new Daemon(Object.assign({ networks: {} }, { conntrack: { capacity: 16_000_000 } }), host)
    expect(await refused(many)).toMatch(/conntrack\.capacity: 16000000 .*; write at most \d+/)
  })

  it('a TAP name that is in use, and what was made before it is gone again', async () => {
    const a = new Namespace('a')
    const daemon = daemonWith({ a: tap(a, 11), z: { network: 'lan', type: 'tap', ifname: 'busy0' } })
    await daemon.host
      .exec(['ip', 'link', 'add', 'busy0', 'type', 'dummy'])
      .catch(() => daemon.host.exec(['ip', 'tuntap', 'add', 'busy0', 'mode', 'tap']))
    expect(await refused(daemon)).toContain('busy0')
    expect(daemon.host.interfaces()).toEqual(['busy0'])
    expect(a.interfaces()).toEqual([])
  })

  it('a user without rights', async () => {
    const daemon = daemonWith({})
    chmodSync(daemon.folder, 0o777)
    // Where it may read the program, wherever that lies.
    const here = join(daemon.folder, 'here')
    mkdirSync(here)
    const user = 'setpriv --reuid 65534 --regid 65534 --clear-groups'
    const script = `mount --bind ${join(program, '../..')} ${here}; node=$1; shift 2; exec ${user} "$node" ${here}/bin/bridgeport.js "$@"`
    expect(await refused(daemon, ['unshare', '-m', 'sh', '-c', script, 'sh'])).toMatch(
      /root|sudo|CAP_NET_ADMIN/,
    )
  })

  it('root without CAP_NET_ADMIN', async () => {
    const daemon = daemonWith({})
    const prefix = ['setpriv', '--inh-caps', '-net_admin', '--bounding-set', '-net_admin']
    expect(await refused(daemon, prefix)).toMatch(/CAP_NET_ADMIN|root/)
  })

  it('/dev/net/tun is missing', async () => {
    const daemon = daemonWith({})
    const hide = 'mount -t tmpfs none /dev/net; exec "$@"'
    expect(await refused(daemon, ['unshare', '-m', 'sh', '-c', hide, 'sh'])).toContain('/dev/net/tun')
    await leavesNothing(daemon)
  })

  it('the socket of a live switch; that of a dead one is taken over', async () => {
    const daemon = await Daemon.start({ networks: { lan } })
    const other = new Daemon({ networks: { two: { mode: 'internal' } } })
    writeFileSync(
      other.file,
      JSON.stringify({ socket: daemon.socket, http: 'off', state: join(other.folder, 'state') }),
    )
    expect(await refused(other)).toContain(daemon.socket)
    expect(JSON.parse(await daemon.cli('network', 'ls', '--json'))).toHaveLength(1)
    await daemon.stop()
    const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`
    await attempt([process.execPath, '-e', script, daemon.socket])
    await daemon.up()
    await daemon.cli('status')
  })

  it('an http address in use', async () => {
    const daemon = daemonWith({})
    const holder = daemon.host.spawn(
      process.execPath,
      '-e',
      `require('net').createServer().listen(9477, '127.0.0.1', () => console.log('held'))`,
    )
    await says(holder, /held/)
    expect(await refused(daemon)).toContain('9477')
    holder.kill('SIGKILL')
  })

  it('a host address that another interface has', async () => {
    const daemon = daemonWith({})
    await daemon.host.exec(['ip', 'tuntap', 'add', 'eth9', 'mode', 'tap'])
    await daemon.host.exec(['ip', 'addr', 'add', '10.7.0.1/24', 'dev', 'eth9'])
    expect(await refused(daemon)).toMatch(/10\.7\.0\.1/)
    expect(daemon.host.interfaces()).toEqual(['eth9'])
  })

  it('a client without a switch, and wrong usage', async () => {
    const socket = join(folder('none'), 'nothing.sock')
    const result = await attempt([process.execPath, program, '--socket', socket, 'status'])
    expect(result.status).toBe(1)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
    expect(result.stderr).toContain(socket)
    expect((await attempt([process.execPath, program, 'frobnicate'])).status).toBe(2)
    expect((await attempt([process.execPath, program, 'port', 'add'])).status).toBe(2)
    const help = await must([process.execPath, program, '--help'])
    for (const word of ['up', 'down', 'reload', 'status', 'doctor', 'network', 'port', 'run', 'mac'])
      expect(help).toContain(word)
  })

  it('a mistake on the command line leaves the switch as it was', async () => {
    const a = new Namespace('a')
    const daemon = await Daemon.start({ networks: { lan }, ports: { a: tap(a, 11) } })
    const mistakes = [
      ['port', 'add', 'a', '--network', 'lan', '--type', 'tap'],
      ['port', 'add', 'b', '--network', 'moon', '--type', 'tap'],
      ['port', 'add', 'b', '--network', 'lan', '--type', 'tap', '--netns', 'bptnowhere'],
      ['port', 'add', 'b', '--network', 'lan', '--type', 'tap', '--netns', 'pid:999999999'],
      ['port', 'add', 'b', '--network', 'lan', '--type', 'vhost-user', '--role', 'peer'],
      ['port', 'add', 'b', '--network', 'lan', '--type', 'stream', '--path', '/nowhere/x.sock'],
      ['port', 'rm', 'nobody'],
      ['mac', 'add', 'not-a-mac', '--network', 'lan', '--port', 'a'],
      ['network', 'rm', 'lan'],
    ]
    for (const argv of mistakes) {
      const result = await daemon.attempt(argv)
      expect(result.status, argv.join(' ')).toBe(1)
      expect(result.stderr.trim().split('\n'), argv.join(' ')).toHaveLength(1)
    }
    await a.exec(['ping', '-c', '1', '10.7.0.1'])
    expect((await daemon.ports()).filter((port) => port.network === 'lan' && port.name === 'b')).toEqual([])
    expect((await daemon.port('a')).address).toContain(address(11))
  })

  it('a state folder that cannot be written', async () => {
    const daemon = daemonWith({})
    const blocked = join(daemon.folder, 'file')
    mkdirSync(daemon.folder, { recursive: true })
    writeFileSync(blocked, '')
    writeFileSync(
      daemon.file,
      JSON.stringify({ socket: daemon.socket, http: 'off', state: join(blocked, 'state') }),
    )
    expect(await refused(daemon)).toContain(blocked)
  })
})
