/** `bridgeport top` as an operator has it: in a terminal, driven by tmux, and once for scripts. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Summary } from '../../src/cli/top/summary.ts'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, must } from '../lab/command.ts'
import { Daemon, program } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, experimental, mac, tap } from '../lab/plan.ts'
import { Terminal } from '../lab/terminal.ts'
import { frame, Witness } from '../lab/witness.ts'

/** an address of the host, behind the gateway's translation */
const outside = '192.0.2.1'
const nat = { mode: 'nat', subnet: '10.7.0.0/24', dhcp: { static: { [mac(12)]: address(12) } } }

suite('top', ['tmux', 'cap'], () => {
  let daemon: Daemon
  let terminal: Terminal

  beforeAll(async () => {
    const [aloof, busy, calm] = ['aloof', 'busy', 'calm'].map((name) => new Namespace(name))
    const ports = { aloof: tap(aloof, 11), busy: tap(busy, 12, { address: 'dhcp' }), calm: tap(calm, 13) }
    const host = new Namespace('host')
    await host.exec(['ip', 'address', 'add', outside, 'dev', 'lo'])
    daemon = await Daemon.start({ networks: { lan: nat, quiet: { mode: 'internal' } }, ports }, host)
    // A restart of the switch takes the interface away for a moment; ping goes on.
    busy.spawn('sh', '-c', `while :; do ping -q -i 0.005 -s 1000 -w 60 ${outside}; sleep 0.1; done`)
    const sender = await Witness.open(calm, 'eth0')
    await sender.send(frame('01:80:c2:00:00:00', mac(13), experimental), 7)
    terminal = new Terminal(100, 30)
    await terminal.press('echo before', 'Enter')
  })
  afterAll(cleanup)

  const top = `${process.execPath} ${program} top --interval 0.25`
  const start = () => terminal.press(`BRIDGEPORT_SOCKET=${daemon.socket} ${top}; echo status $?`, 'Enter')
  const at = (lines: string[], word: string) => lines.findIndex((line) => line.split(' ')[0] === word)
  /** the shell's child */
  const running = async () => Number(await must(['pgrep', '-P', await terminal.knows('pane_pid')]))
  const isSeen = (lines: string[]) => at(lines, 'PORTS') > 0 && at(lines, 'DROPS') > 0

  it('--once --json is what the counters say', async () => {
    const before = await daemon.port('busy')
    const summary: Summary = JSON.parse(await daemon.cli('top', '--once', '--json', '--interval', '0.5'))
    const after = await daemon.port('busy')
    const [first] = summary.ports.filter(({ name }) => ['aloof', 'busy', 'calm'].includes(name))
    expect(first).toMatchObject({ name: 'busy', network: 'lan', state: 'up' })
    for (const [rate, name] of [
      ['rxFrameRate', 'rxFrames'],
      ['txFrameRate', 'txFrames'],
    ] as const) {
      expect(first[rate]).toBeGreaterThan(0)
      expect(Math.round(first[rate] * summary.seconds)).toBeLessThanOrEqual(after[name] - before[name])
    }
    expect(first.rxByteRate / first.rxFrameRate).toBeCloseTo(1042, -2)
    const { drops } = await daemon.port('calm')
    expect(summary.drops.find(({ reason }) => reason === 'reserved_multicast')).toMatchObject({
      total: 7,
      ports: { calm: drops.reserved_multicast },
    })
    expect(summary.flows.top[0]).toMatchObject({ protocol: 'icmp', original: { source: address(12) } })
    expect(summary.flows.top[0].byteRate).toBeGreaterThan(0)
    expect(summary).toMatchObject({ pid: daemon.pid, captures: 0, workers: [{}] })
  })

  it('--once is text for pipes, of one network if it is named', async () => {
    const text = await daemon.cli('top', '--once', '--interval', '0.25')
    expect(text).toMatch(/^[\x20-\x7e\n]*$/)
    for (const word of ['bridgeport', 'WORKERS', 'busy', 'calm', 'reserved_multicast'])
      expect(at(text.split('\n'), word), word).toBeGreaterThanOrEqual(0)
    const quiet = await daemon.cli('top', '--once', '--interval', '0.25', '--network', 'quiet')
    expect(at(quiet.split('\n'), 'busy')).toBe(-1)
    const wrong = await daemon.attempt(['top', '--once', '--network', 'nowhere'])
    expect(wrong).toMatchObject({ status: 1, stdout: '' })
    expect(wrong.stderr).toBe('bridgeport: network nowhere: there is none; see bridgeport network ls\n')
    const script = `"$0" "$1" --socket "$2" top --once --interval 0.25 | head -1`
    const piped = await attempt(['sh', '-c', script, process.execPath, program, daemon.socket])
    expect(piped).toMatchObject({ status: 0, stderr: '' })
    expect(piped.stdout).toMatch(/^bridgeport \d/)
  })

  it('shows the busy port before those at rest, and redraws for every size', async () => {
    await start()
    const lines = await terminal.shows('the busy port first', (now) => {
      const [busy, aloof, calm] = ['busy', 'aloof', 'calm'].map((name) => at(now, name))
      return isSeen(now) && busy > 0 && busy < aloof && busy < calm
    })
    expect(await terminal.knows('alternate_on')).toBe('1')
    expect(lines.find((line) => line.startsWith(`${address(12)} > ${outside} type 8/0 id `))).toMatch(
      / as 100\.64\.0\.\d+:\d+ +icmp /,
    )
    expect(lines.find((line) => line.startsWith('reserved_multicast'))).toMatch(/ 0 +7 +calm$/)
    expect(lines.at(-1)).toMatch(/^\? help {2}q quit {2}.* by rate, every 0\.25 s$/)
    for (const [width, height] of [
      [40, 10],
      [120, 40],
      [60, 16],
    ] as const) {
      await terminal.resize(width, height)
      const now = await terminal.shows(`${width} × ${height}`, (each) => {
        const isFooted = each.length === height && each.at(-1)?.includes('quit')
        return Boolean(isFooted) && isSeen(each)
      })
      expect(now.filter((line) => line.startsWith('bridgeport '))).toHaveLength(1)
      expect(now.filter((line) => line.includes('quit'))).toHaveLength(1)
    }
  })

  it('obeys its keys', async () => {
    await terminal.resize(100, 30)
    await terminal.press('n')
    await terminal.shows('by name', (now) => at(now, 'aloof') > 0 && at(now, 'aloof') < at(now, 'busy'))
    await terminal.press('/')
    await terminal.press('calm', 'Enter')
    await terminal.shows('one port', (now) => at(now, 'calm') > 0 && at(now, 'busy') < 0)
    await terminal.press('Escape')
    await terminal.shows('every port', (now) => at(now, 'busy') > 0)
    await terminal.press('d', 'd')
    await terminal.shows('drops alone', (now) => at(now, 'DROPS') > 0 && at(now, 'PORTS') < 0)
    await terminal.press('d')
    await terminal.press('?')
    await terminal.shows('help', (now) => at(now, 'space') > 0)
    await terminal.press('q', 'r', 'Space')
    await terminal.shows('paused', (now) => isSeen(now) && Boolean(now.at(-1)?.startsWith('paused')))
    await terminal.press('Space', '+')
    await terminal.shows('slower', (now) => Boolean(now.at(-1)?.includes('every 0.5 s')))
  })

  it('says that the switch is gone, and goes on when it is back', async () => {
    expect(await daemon.stop()).toBe(0)
    await terminal.shows('gone', (now) => Boolean(now.at(-1)?.includes('waiting for it')))
    await daemon.up()
    await terminal.shows(
      'the busy port of the new switch',
      (now) => !now.at(-1)?.includes('waiting') && / [1-9]/.test(now[at(now, 'busy')] ?? ''),
    )
  })

  it('gives the terminal back, however it ends', async () => {
    await terminal.press('q')
    const lines = await terminal.shows('the shell', (now) => now.includes('status 0'))
    expect(lines).toContain('before')
    for (const end of ['C-c', 'TERM']) {
      await terminal.press('clear; echo before', 'Enter')
      await start()
      await terminal.shows('top', isSeen)
      if (end === 'TERM') process.kill(await running(), 'SIGTERM')
      else await terminal.press(end)
      const status = end === 'TERM' ? 143 : 0
      const now = await terminal.shows(`status ${status}`, (each) => each.includes(`status ${status}`))
      expect(now).toContain('before')
    }
    expect(await terminal.knows('alternate_on')).toBe('0')
    expect(await terminal.knows('cursor_flag')).toBe('1')
    await terminal.press(`clear; stty -a; TERM=dumb ${top}; echo dumb $?`, 'Enter')
    const said = (await terminal.shows('refused', (now) => now.includes('dumb 1'))).join(' ')
    expect(said).toMatch(/ icanon .* echo /)
    expect(said).toContain('use --once for one view as text')
  })
})
