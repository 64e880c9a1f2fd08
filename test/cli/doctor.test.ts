/** `bridgeport doctor`: a line for each check, the remedy for what is wrong, status 1 when something is. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import type { Finding } from '../../src/control/finding.ts'
import { cleanup } from '../lab/cleanup.ts'
import { Daemon, program } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

suite('doctor', ['setpriv', 'unshare'], () => {
  afterEach(cleanup)

  const lan = { mode: 'host-only', subnet: '10.7.0.0/24' }

  async function examine(host: Namespace, file: string, prefix: string[] = []) {
    const argv = [...prefix, process.execPath, program, 'doctor', '--json', '-c', file]
    const { status, stdout } = await host.attempt(argv)
    const findings = JSON.parse(stdout) as Finding[]
    return { status, problems: findings.filter(({ ok }) => !ok), findings }
  }

  function file(configuration: object): string {
    const place = folder('doctor')
    const path = join(place, 'f.yaml')
    writeFileSync(path, JSON.stringify({ socket: join(place, 'b.sock'), state: place, ...configuration }))
    return path
  }

  it('a machine that lacks nothing, before and while a switch runs', async () => {
    const daemon = new Daemon({ networks: { lan } })
    const before = await examine(daemon.host, daemon.file)
    expect([before.status, before.problems]).toEqual([0, []])
    expect(before.findings.map(({ check }) => check)).toEqual([
      'rights',
      'tun',
      'kernel',
      'memory',
      'hugepages',
      'configuration',
      'subnets',
      'switch',
      'leftovers',
    ])
    await daemon.up()
    const running = await examine(daemon.host, daemon.file)
    expect([running.status, running.problems]).toEqual([0, []])
    expect(running.findings.find(({ check }) => check === 'switch')?.detail).toContain('a switch answers')
  })

  it.each([
    [
      'rights',
      ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'],
      /CAP_NET_ADMIN missing/,
      /root/,
    ],
    [
      'tun',
      ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /dev/net; exec "$@"', 'sh'],
      /\/dev\/net\/tun/,
      /modprobe tun/,
    ],
  ])('%s', async (check, prefix, detail, remedy) => {
    const host = new Namespace('host')
    const { status, problems } = await examine(host, file({ networks: { lan } }), prefix)
    expect(status).toBe(1)
    const found = problems.find((each) => each.check === check)
    expect(found?.detail).toMatch(detail)
    expect(found?.remedy).toMatch(remedy)
  })

  it('a wrong file, and a subnet that the host routes elsewhere', async () => {
    const host = new Namespace('host')
    const wrong = await examine(host, file({ workers: 0 }))
    expect([wrong.status, wrong.problems[0]?.check]).toEqual([1, 'configuration'])
    await host.exec(['ip', 'tuntap', 'add', 'eth9', 'mode', 'tap'])
    await host.exec(['ip', 'link', 'set', 'eth9', 'up'])
    await host.exec(['ip', 'addr', 'add', '10.7.0.77/16', 'dev', 'eth9'])
    const overlap = await examine(host, file({ networks: { lan } }))
    expect(overlap.problems.map(({ check }) => check)).toEqual(['subnets'])
    expect(overlap.problems[0]?.detail).toMatch(/10\.7\.0\.0\/24.*10\.7\.0\.0\/16 over eth9/)
  })

  it('ports that are sockets', async () => {
    const host = new Namespace('host')
    const ports = {
      vm1: { network: 'lan', type: 'vhost-user' },
      vm2: { network: 'lan', type: 'stream', path: '/no/such/folder/s' },
    }
    const { status, problems, findings } = await examine(host, file({ networks: { lan }, ports }))
    expect(status).toBe(1)
    expect(problems.map(({ check, detail, remedy }) => [check, detail, remedy])).toEqual([
      ['sockets', 'port vm2: there is no folder /no/such/folder', 'create it (mkdir -p /no/such/folder)'],
    ])
    const checks = findings.map(({ check }) => check)
    expect(checks).toEqual(expect.arrayContaining(['hugepages', 'sockets', 'limits', 'kvm']))
    const few = ['sh', '-c', 'ulimit -n 130; exec "$@"', 'sh']
    const limited = await examine(host, file({ networks: { lan }, ports: { vm1: ports.vm1 } }), few)
    expect(limited.problems).toMatchObject([
      { check: 'limits', remedy: 'run: ulimit -n 134 (LimitNOFILE= of systemd)' },
    ])
  })

  it('interfaces of a switch that is gone', async () => {
    const daemon = new Daemon({ networks: { lan } })
    await daemon.host.exec(['ip', 'tuntap', 'add', 'left0', 'mode', 'tap'])
    const { createHash } = await import('node:crypto')
    const instance = createHash('sha256').update(daemon.socket).digest('hex').slice(0, 8)
    await daemon.host.exec(['ip', 'link', 'set', 'left0', 'alias', `bridgeport:${instance}:left0`])
    const { problems } = await examine(daemon.host, daemon.file)
    expect(problems.map(({ check, detail }) => [check, detail.split(' ')[0]])).toEqual([
      ['leftovers', 'left0'],
    ])
    await daemon.up()
    expect((await examine(daemon.host, daemon.file)).problems).toEqual([])
    expect(daemon.host.interfaces()).not.toContain('left0')
  })
})
