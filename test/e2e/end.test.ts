/** How a switch ends, whatever ends it, and how it starts again: nothing is left behind, nothing that lives is harmed. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, eventually, mustSync } from '../lab/command.ts'
import { Daemon, leavesNothing, program } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Pinger } from '../lab/pinger.ts'
import { address, hostAddress, hostInterface, lan, mac, tap } from '../lab/plan.ts'

suite('the end of a switch', [], () => {
  afterEach(cleanup)

  async function start(more: object = {}): Promise<{ a: Namespace; b: Namespace; daemon: Daemon }> {
    const [a, b] = [new Namespace('a'), new Namespace('b')]
    const vm = { network: 'lan', type: 'qemu-tap', ifname: 'vm1' }
    const ports = { a: tap(a, 11), b: tap(b, 12), vm }
    return { a, b, daemon: await Daemon.start({ networks: { lan }, ports, ...more }) }
  }

  it.each(['SIGTERM', 'SIGINT'] as const)('%s ends it with status 0 and leaves nothing', async (signal) => {
    const { a, b, daemon } = await start()
    await a.exec(['ping', '-c', '1', address(12)])
    expect(await daemon.stop(signal)).toBe(0)
    await leavesNothing(daemon)
    expect([a.interfaces(), b.interfaces()]).toEqual([[], []])
  })

  it('bridgeport down does the same', async () => {
    const { a, daemon } = await start()
    await daemon.cli('down')
    await leavesNothing(daemon)
    expect(a.interfaces()).toEqual([])
    expect((await daemon.attempt(['status'])).status).toBe(1)
  })

  it('SIGKILL leaves nothing: the reaper cleans up', async () => {
    const { a, b, daemon } = await start({ workers: 2 })
    expect(await daemon.stop('SIGKILL')).toBe('SIGKILL')
    await leavesNothing(daemon)
    expect([a.interfaces(), b.interfaces()]).toEqual([[], []])
  })

  it('an exception that nobody caught ends it with status 1 and one line, and leaves nothing', async () => {
    const plant = join(folder('crash'), 'plant.cjs')
    writeFileSync(plant, "process.on('SIGUSR2', () => setImmediate(() => { throw new Error('planted') }))\n")
    vi.stubEnv('NODE_OPTIONS', `--require ${plant}`)
    const { a, b, daemon } = await start({ workers: 2 }).finally(() => vi.unstubAllEnvs())
    expect(await daemon.stop('SIGUSR2')).toBe(1)
    expect(daemon.output.trim().split('\n').at(-1)).toContain('the switch failed: planted')
    expect(daemon.output).not.toContain('plant.cjs')
    await leavesNothing(daemon)
    expect([a.interfaces(), b.interfaces()]).toEqual([[], []])
  })

  it('a killed switch starts again at once', async () => {
    const { a, daemon } = await start()
    await daemon.stop('SIGKILL')
    await daemon.up()
    await eventually(
      'traffic',
      async () => (await a.attempt(['ping', '-c', '1', '-W', '1', address(12)])).status === 0,
    )
    await daemon.stop()
    await leavesNothing(daemon)
  })

  it('interfaces that even the reaper could not remove are recognised and removed by the next start', async () => {
    const { daemon } = await start()
    const reaper = daemon.host
      .pids()
      .find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('bridgeport-reap'))
    expect(reaper).toBeDefined()
    process.kill(reaper as number, 'SIGKILL')
    await daemon.stop('SIGKILL')
    await eventually('processes gone', () => daemon.host.pids().length === 0)
    expect(daemon.host.interfaces()).toContain('vm1')
    await daemon.up()
    expect((await daemon.port('vm')).state).not.toBe('down')
    await daemon.stop()
    await leavesNothing(daemon)
  })

  it('a namespace that vanishes takes its port along and nothing else', async () => {
    const { a, b, daemon } = await start()
    const c = new Namespace('c')
    await plug(daemon, c)
    expect((await daemon.port('c')).state).toBe('up')
    b.remove()
    c.remove()
    await eventually('b is not up', async () => (await daemon.port('b')).state !== 'up')
    await eventually('c is not up', async () =>
      (await daemon.ports()).every((row) => row.name !== 'c' || row.state !== 'up'),
    )
    expect((await daemon.port('b')).reason).not.toBe('')
    await a.exec(['ping', '-c', '1', hostAddress])
    // It comes back under its name, and so does the port.
    mustSync('ip', 'netns', 'add', b.name)
    await eventually('b is up again', async () => (await daemon.port('b')).state === 'up')
    await a.exec(['ping', '-c', '1', address(12)])
    expect(await daemon.stop()).toBe(0)
    await leavesNothing(daemon)
  })

  it('a reload does not disturb what did not change', async () => {
    const { a, b, daemon } = await start()
    await a.exec(['ping', '-c', '1', address(12)])
    const index = async () => JSON.parse(await a.exec(['ip', '-j', 'link', 'show', 'eth0']))[0].ifindex
    const [before, learned] = [
      await index(),
      (await daemon.macs()).filter((row) => row.kind === 'dynamic').length,
    ]
    const pinger = new Pinger(a, address(12), 0.1)
    await daemon.reload({
      networks: { lan },
      ports: { a: tap(a, 11), b: tap(b, 12), vm2: { network: 'lan', type: 'qemu-tap', ifname: 'vm2' } },
    })
    expect(await pinger.stop(20)).toEqual([])
    expect(await index()).toBe(before)
    expect((await daemon.macs()).filter((row) => row.kind === 'dynamic').length).toBeGreaterThanOrEqual(
      learned,
    )
    expect(daemon.host.interfaces().sort()).toEqual([hostInterface, 'vm2'])
  })

  it('a wrong file is refused whole and the running switch keeps what it has', async () => {
    const { a, b, daemon } = await start()
    daemon.write({ networks: { lan: { ...lan, mtu: 'large' } }, ports: { a: tap(a, 11) } })
    const result = await daemon.attempt(['reload'])
    expect(result.status).toBe(1)
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
    expect(result.stderr).toContain('networks.lan.mtu')
    await b.exec(['ping', '-c', '1', address(11)])
    expect((await daemon.ports()).map((row) => row.name)).toContain('b')
  })

  it('SIGHUP applies the file', async () => {
    const { a, b, daemon } = await start()
    daemon.write({ networks: { lan }, ports: { a: tap(a, 11) } })
    process.kill(daemon.pid, 'SIGHUP')
    await eventually('b is gone', async () => (await daemon.ports()).every((row) => row.name !== 'b'))
    // Out of the listing first, so that nobody asks for it; then the workers let go of it.
    await eventually('its interface is gone', () => b.interfaces().length === 0)
    expect((await a.exec(['ip', '-o', 'link', 'show', 'eth0'])).includes(mac(11))).toBe(true)
  })

  it('what the command line added survives a restart and a reload', async () => {
    const { daemon } = await start()
    const c = new Namespace('c')
    await plug(daemon, c)
    await daemon.cli('reload')
    expect(c.interfaces()).toEqual(['eth0'])
    await daemon.stop()
    await leavesNothing(daemon)
    await daemon.up()
    expect(await daemon.port('c')).toMatchObject({ state: 'up', origin: 'runtime' })
    const refused = await daemon.attempt(['port', 'rm', 'a'])
    expect(refused.status).toBe(1)
    await daemon.cli('port', 'rm', 'c')
    expect(c.interfaces()).toEqual([])
  })

  it('--detach returns when the switch is ready and leaves it running', async () => {
    const { daemon } = await start()
    await daemon.stop()
    await daemon.host.exec([process.execPath, program, 'up', '-c', daemon.file, '--detach'])
    expect(JSON.parse(await daemon.cli('network', 'ls', '--json'))).toHaveLength(1)
    await daemon.cli('down')
    await leavesNothing(daemon)
  })

  it('leaves no descriptors, memory files or mounts behind in the machine', async () => {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
    // A suite beside this one may run podman, whose locks lie there.
    const shared = () => readdirSync('/dev/shm').filter((name) => !name.startsWith('libpod'))
    const memory = shared()
    const { daemon } = await start()
    await daemon.stop()
    await leavesNothing(daemon)
    expect(shared()).toEqual(memory)
    const lines = (text: string) =>
      text
        .split('\n')
        .filter((line) => !line.includes('bpt'))
        .sort()
    expect(lines(readFileSync('/proc/self/mounts', 'utf8'))).toEqual(lines(mounts))
    expect(existsSync(daemon.socket)).toBe(false)
    expect((await attempt(['pgrep', '-f', daemon.file])).status).toBe(1)
  })
})

/** Plugs a namespace in as port c, from the command line. */
async function plug(daemon: Daemon, space: Namespace): Promise<void> {
  const place = ['--type', 'tap', '--netns', space.name, '--ifname', 'eth0']
  await daemon.cli('port', 'add', 'c', '--network', 'lan', ...place)
}
