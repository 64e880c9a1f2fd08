/** What rules are refused for, and what `rules check` finds: one line with the place in the text, while the rules in force go on. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../../src/cli/client.ts'
import type { RuleRow } from '../../src/control/counts.ts'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, type Result } from '../lab/command.ts'
import { Daemon, leavesNothing, program } from '../lab/daemon.ts'
import { folder } from '../lab/folder.ts'
import { suite } from '../lab/peer.ts'
import { root } from '../style/source.ts'

/** A whole table. */
const table = (name: string, ...lines: string[]) => `*${name}\n${lines.join('\n')}\nCOMMIT\n`
const filter = (...lines: string[]) => table('filter', ...lines)

suite('refused rules', [], () => {
  let daemon: Daemon

  beforeAll(async () => {
    daemon = await Daemon.start({ networks: { lab: { mode: 'internal' } } })
  })
  afterAll(cleanup)

  const save = async (counters = false): Promise<string> =>
    JSON.parse(await daemon.ask(`/v1/rules/text?counters=${counters}`)).text
  const restore = (input: string): Promise<Result> =>
    daemon.attempt(['rules', 'restore'], { input, timeoutMs: 60_000 })

  async function accepted(input: string): Promise<void> {
    await call(daemon.socket, 'PUT', '/v1/rules', input)
  }

  describe('refusals', () => {
    const noise = Array.from({ length: 2 ** 20 }, (_, n) => String.fromCharCode((n * 7919 + (n >> 8)) % 127))
    it.each([
      ['a target that nobody knows', filter('-A INPUT -j NOPE'), 2],
      ['an option that nobody knows', filter('', '-A INPUT --colour red -j DROP'), 3],
      ['a match that nobody knows', filter('-A INPUT -m colour -j DROP'), 2],
      ['a wrong address', filter('-A INPUT -s 10.0.0.256 -j DROP'), 2],
      ['a wrong port', filter('-A INPUT -p tcp --dport 70000 -j DROP'), 2],
      ['an option that is there twice', filter('-A INPUT -s 10.0.0.1 -s 10.0.0.2 -j DROP'), 2],
      ['a table that nobody knows', table('colours', ''), 1],
      ['a chain that is missing', filter('-A X -j ACCEPT'), 2],
      ['a jump to nowhere', filter('-A INPUT -j X'), 2],
      ['a circle', filter(':A -', ':B -', '-A A -j B', '-A B -j A', '-A INPUT -j A'), null],
      ['a target in another table', filter('-A INPUT -j MASQUERADE'), 2],
      ['a target in another hook', table('nat', '-A PREROUTING -j MASQUERADE'), 2],
      ['a set that is missing', filter('-A INPUT -m set --match-set nobody src -j DROP'), 2],
      ['a table without COMMIT', '*filter\n-A INPUT -j DROP\n', null],
      ['a rule outside of tables', '-A INPUT -j DROP\n', 1],
      ['a quote without an end', filter('-A INPUT -m comment --comment "x -j DROP'), 2],
      ['1 MB of noise', noise.join(''), 1],
    ])('%s: one line with its place, and the rules go on', async (_, text, line) => {
      await accepted(filter('-A INPUT -i other -j DROP'))
      const before = await save(true)
      const result = await restore(text)
      expect(result).toMatchObject({ status: 1, stdout: '' })
      const place = line === null ? '\\d+' : String(line)
      expect(result.stderr).toMatch(
        new RegExp(`^bridgeport: standard input: line ${place}, column \\d+: .+: .+; .+\n$`),
      )
      expect(await save(true)).toBe(before)
      const name = join(folder('rules'), 'wrong')
      writeFileSync(name, text)
      const checked = await daemon.attempt(['rules', 'check', name])
      expect(checked).toMatchObject({ status: 1, stdout: '' })
      expect(checked.stderr).toBe(result.stderr.replace('standard input', name))
    })

    it('a file that is not there, wrong usage, and the reading address', async () => {
      expect(await daemon.attempt(['rules', 'restore', '/nowhere/at/all'])).toMatchObject({
        status: 1,
        stderr: 'bridgeport: /nowhere/at/all: there is no such file; name another one\n',
      })
      expect((await daemon.attempt(['rules', 'restore', '--table', 'colours'])).status).toBe(2)
      expect((await daemon.attempt(['rules', 'check'])).status).toBe(2)
      const put = `fetch('http://127.0.0.1:9477/v1/rules', { method: 'PUT', body: '' }).then((r) => process.stdout.write(String(r.status)))`
      expect(await daemon.host.exec([process.execPath, '-e', put])).toBe('403')
      expect(JSON.parse(await daemon.get('/v1/rules'))).toEqual(
        JSON.parse(await daemon.cli('rules', 'save', '--json')) as RuleRow[],
      )
      expect(JSON.parse(await daemon.get('/v1/rules/text')).text).toBe(await daemon.cli('rules', 'save'))
    })
  })

  describe('rules check', () => {
    const findings = filter(':LOST -', '-A INPUT -i nobody -j DROP', '-A INPUT -j ACCEPT', '-A INPUT -j DROP')

    it('tells what is in vain, with a switch and without', async () => {
      const name = join(folder('rules'), 'findings')
      writeFileSync(name, findings)
      const known = await daemon.attempt(['rules', 'check', name])
      expect(known).toMatchObject({ status: 0, stderr: '' })
      expect([...known.stdout.matchAll(/^line (\d+): .+$/gm)].map(([, line]) => line).sort()).toEqual([
        '2',
        '3',
        '5',
      ])
      const alone = await attempt([
        process.execPath,
        program,
        '--socket',
        '/nonexistent',
        'rules',
        'check',
        name,
        '--json',
      ])
      expect(alone).toMatchObject({ status: 0, stderr: '' })
      expect(
        JSON.parse(alone.stdout)
          .map(({ line }: { line: number }) => line)
          .sort(),
      ).toEqual([2, 5])
    })

    it('has nothing to say of the example', async () => {
      const name = join(root, 'examples/rules.v4')
      const result = await attempt([
        process.execPath,
        program,
        '--socket',
        '/nonexistent',
        'rules',
        'check',
        name,
      ])
      expect(result).toEqual({ status: 0, stdout: '', stderr: '' })
    })
  })

  it('a file that is wrong refuses the start', async () => {
    const other = new Daemon({ networks: { lab: { mode: 'internal' } } })
    const written = JSON.parse(readFileSync(other.file, 'utf8'))
    writeFileSync(other.file, JSON.stringify({ ...written, rules: 'missing.v4' }))
    const up = [process.execPath, program, 'up', '-c', other.file]
    const missing = join(other.folder, 'missing.v4')
    expect((await other.host.attempt(up)).stderr).toBe(
      `bridgeport: ${missing}: there is no such file; write it or name another one\n`,
    )
    writeFileSync(missing, filter('-A INPUT -j DROP', '-A INPUT -j NOWHERE'))
    const result = await other.host.attempt(up)
    expect(result.status).toBe(1)
    const lines = result.stderr.split('\n').filter((line) => line.startsWith('bridgeport: '))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(`${missing}: line 3, column 13: NOWHERE: `)
    await leavesNothing(other)
  })

  it('100,000 rules are taken, more than fit are not, nor what would take all memory', async () => {
    const many = (count: number, rule: (n: number) => string) =>
      filter(Array.from({ length: count }, (_, n) => rule(n)).join('\n'))
    const host = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`
    await accepted(
      many(100_000, (n) => `-A FORWARD -s ${host(n)}/32 -p udp -m udp --dport ${1 + (n % 60_000)} -j DROP`),
    )
    await accepted(many(100_000, (n) => `-A FORWARD -m length --length ${n % 60_000} -j DROP`))
    await accepted(
      many(10_000, (n) => `-A FORWARD -m string --string "text ${n}" --algo bm --to 1500 -j DROP`),
    )
    await accepted(filter('-A INPUT -i other -j DROP'))
    const before = await save(true)
    const more = await restore(many(140_000, (n) => `-A FORWARD -s ${host(n)} -j DROP`))
    expect(more).toMatchObject({ status: 1, stdout: '' })
    expect(more.stderr).toMatch(/^bridgeport: standard input: line \d+, column \d+: .*131072.*\n$/)
    const name = (n: number) => `--hashlimit-name n${n} --hashlimit-mode srcip --hashlimit-htable-max 1000000`
    const large = await restore(
      many(20_000, (n) => `-A FORWARD -m hashlimit --hashlimit-upto 5/sec ${name(n)} -j DROP`),
    )
    expect(large).toMatchObject({ status: 1, stdout: '' })
    expect(large.stderr.trim().split('\n')).toHaveLength(1)
    expect(large.stderr).toMatch(/ fit|MiB/)
    expect(await save(true)).toBe(before)
  }, 120_000)
})
