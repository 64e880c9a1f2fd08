/** Rulesets that mean harm, before a real daemon: each is refused whole or borne within memory, and the rules in force go on. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { attempt, type Result } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Pinger } from '../lab/pinger.ts'

const GATEWAY = '10.8.0.1'
const megabyte = 2 ** 20
/** What the daemon may have at most after all of this: it has 64 MB before, and a worker's heap may grow to a gigabyte. */
const RSS_MAX = 1200 * megabyte
const PATIENCE = { timeoutMs: 60_000 }

const filter = (...lines: (string | string[])[]) => `*filter\n${lines.flat().join('\n')}\nCOMMIT\n`
const many = (count: number, line: (n: number) => string) => Array.from({ length: count }, (_, n) => line(n))
const ALLOWED = filter(
  '-A INPUT -i lab -p icmp -m comment --comment allowed -j ACCEPT',
  '-A INPUT -i lab -j DROP',
)

suite('rules that mean harm', ['curl'], () => {
  let guest: Namespace
  let daemon: Daemon

  beforeAll(async () => {
    guest = new Namespace('guest')
    const plain = { mode: 'nat', uplink: 'none', dhcp: 'off', dns: 'off' }
    const lab = { ...plain, subnet: '10.8.0.0/24', gateway: GATEWAY }
    const tap = { network: 'lab', type: 'tap', netns: guest.name, ifname: 'eth0', address: '10.8.0.11/24' }
    daemon = await Daemon.start({ networks: { lab }, ports: { guest: tap } })
    expect(await restore(ALLOWED)).toMatchObject({ status: 0, stderr: '' })
  })
  afterAll(cleanup)

  /** Without what policies count. */
  const save = async () => (await daemon.cli('rules', 'save')).replace(/ \[\d+:\d+\]$/gm, '')
  const restore = (input: string): Promise<Result> =>
    daemon.attempt(['rules', 'restore'], { input, ...PATIENCE })

  /** The rules are still `rules`, they count, and a packet that they let in is answered. */
  async function goOn(rules: string): Promise<void> {
    expect(await new Pinger(guest, GATEWAY, 0.2).stop(2)).toEqual([])
    expect(await save()).toBe(rules)
    expect(daemon.rss()).toBeLessThan(RSS_MAX)
  }

  const chains = (count: number, width: number) => [
    ...many(count, (n) => `:c${n} - [0:0]`),
    ...many(count - 1, (n) =>
      Array(width)
        .fill(`-A c${n} -j c${n + 1}`)
        .join('\n'),
    ),
    '-A FORWARD -j c0',
  ]
  const searches = (options: string, count = 20_000) =>
    many(count, (n) => `-A FORWARD -m ${options.replace('%', `${n}`)} -j DROP`)
  const refused: [string, () => string, RegExp][] = [
    [
      'bytes of all values',
      () => String.fromCharCode(...many(60_000, (n) => `${n}`).map((n) => Number(n) % 256)),
      /: .+; /,
    ],
    [
      '131,073 rules',
      () => filter(many(131_073, (n) => `-A FORWARD -s 10.${n >> 16}.${(n >> 8) & 255}.${n & 255} -j DROP`)),
      /131072/,
    ],
    ['5,000 chains, one in the other', () => filter(chains(5000, 1)), /more than 200 chains/],
    [
      'chains that jump twice to the next, 40 deep',
      () => filter(chains(40, 2)),
      /up to \d+ rules, more than 2000000/,
    ],
    [
      '20,000 tables of hashlimit',
      () => filter(searches('hashlimit --hashlimit-upto 1/s --hashlimit-mode srcip --hashlimit-name n%')),
      /fit|MiB/,
    ],
    ['60,000 lists of recent', () => filter(searches('recent --set --name n%', 60_000)), /fit|MiB/],
    [
      '20,000 searches through everything',
      () => filter(searches('string --string n% --algo bm')),
      /takes a packet as long as \d+ rules/,
    ],
    [
      'a line of 4 MB',
      () => filter(`-A FORWARD -m comment --comment ${'x'.repeat(4 * megabyte)} -j DROP`),
      /: .+; /,
    ],
  ]

  describe('are refused in one line, and those in force go on', () => {
    it.each(refused)('%s', async (_, make, why) => {
      const before = await save()
      const result = await restore(make())
      expect(result).toMatchObject({ status: 1, stdout: '' })
      expect(result.stderr.trim().split('\n')).toHaveLength(1)
      expect(result.stderr).toMatch(/^bridgeport: /)
      expect(result.stderr.length).toBeLessThan(1000)
      expect(result.stderr).toMatch(why)
      await goOn(before)
    })

    it('a body of 80 MB', async () => {
      const before = await save()
      const url = 'http://localhost/v1/rules'
      const curl = [
        'curl',
        '-s',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        '--unix-socket',
        daemon.socket,
        '-X',
        'PUT',
      ]
      const send = `head -c 80000000 /dev/zero | tr '\\0' '#' | ${curl.join(' ').replace('%{http_code}', "'%{http_code}'")} -H 'content-type: text/plain' --data-binary @- ${url}`
      expect((await attempt(['bash', '-c', send], PATIENCE)).stdout).toMatch(/^4\d\d$/)
      await goOn(before)
    }, 120_000)
  })

  it('as many as there may be are borne, and let go', async () => {
    const before = await save()
    const rules = many(
      100_000,
      (n) =>
        `-A FORWARD -s 10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32 -p udp -m length --length ${n % 9999} -j DROP`,
    )
    expect(await restore(filter(rules, '-A INPUT -i lab -p icmp -j ACCEPT', ':INPUT DROP'))).toMatchObject({
      status: 0,
      stderr: '',
    })
    expect(await new Pinger(guest, GATEWAY, 0.2).stop(2)).toEqual([])
    expect(daemon.rss()).toBeLessThan(RSS_MAX)
    expect(await restore(ALLOWED)).toMatchObject({ status: 0, stderr: '' })
    await goOn(before)
  }, 120_000)

  it('a kill while rules are replaced under load leaves those of the file, whole', async () => {
    const generation = (n: number) =>
      filter(
        many(
          400,
          (rule) =>
            `-A INPUT -s 10.9.0.0/16 -m comment --comment generation${n} -m length --length ${rule} -j DROP`,
        ),
      )
    for (let round = 0; round < 3; round++) {
      const load = guest.spawn('ping', '-f', '-q', GATEWAY)
      let number = 0
      const swaps = (async () => {
        for (; number < 1000; number++)
          if ((await restore(generation(round * 1000 + number))).status !== 0) return
      })()
      while (number < 2 + round) await new Promise((resolve) => setTimeout(resolve, 50))
      await daemon.stop('SIGKILL')
      load.kill('SIGKILL')
      await swaps
      await daemon.up()
      const saved = await save()
      const generations = new Set([...saved.matchAll(/generation(\d+)/g)].map(([, n]) => Number(n)))
      expect([...generations]).toHaveLength(1)
      expect(saved.match(/^-A INPUT .*generation/gm)).toHaveLength(400)
      // What was answered to is kept; what was under way is there or not.
      const [kept] = generations
      expect(kept).toBeGreaterThanOrEqual(round * 1000 + number - 1)
      expect(kept).toBeLessThanOrEqual(round * 1000 + number)
      expect(readFileSync(join(daemon.folder, 'state', 'rules.v4'), 'utf8')).toContain(`generation${kept}`)
      await goOn(saved)
    }
  }, 120_000)
})
