/** What is called vain is vain: by examples, and by packets that never count there. */
import { describe, expect, it } from 'vitest'
import { lint } from '../../src/chain/lint.ts'
import { restore } from '../../src/chain/restore.ts'
import type { Ruleset } from '../../src/chain/rule.ts'
import { Random } from '../lab/random.ts'
import { rules, Stroll } from '../lab/stroll.ts'

const known = (name: string) => ['vm1', 'vm2', 'default', 'default-uplink'].includes(name)

function filter(...lines: string[]): Ruleset {
  return restore(['*filter', ...lines, 'COMMIT', ''].join('\n'))
}

function findings(...lines: string[]): string[] {
  return lint(filter(...lines), known).map(({ line, text }) => `${line} ${text}`)
}

describe('finds', () => {
  it.each([
    [
      'behind an unconditional end',
      ['-A FORWARD -j DROP', '-A FORWARD -p tcp -j ACCEPT'],
      /^3 .* never reached, line 2 ends/,
    ],
    [
      'behind a comment that drops',
      ['-A FORWARD -m comment --comment x -j DROP', '-A FORWARD -j LOG'],
      /^3 .* never reached/,
    ],
    ['behind -g', [':a -', '-A a -j LOG', '-A FORWARD -g a', '-A FORWARD -j DROP'], /^5 .* never reached/],
    [
      'behind a chain that swallows',
      [':a -', '-A a -s 10.0.0.1 -j ACCEPT', '-A a -j DROP', '-A FORWARD -j a', '-A FORWARD -j LOG'],
      /^6 .* never reached, line 5/,
    ],
    [
      'an equal one',
      ['-A FORWARD -p tcp --dport 80 -j ACCEPT', '-A FORWARD -p tcp -m tcp --dport 80 -j DROP'],
      /^3 .* line 2 takes all/,
    ],
    [
      'a narrower one',
      ['-A FORWARD -s 10.0.0.0/8 -j ACCEPT', '-A FORWARD -s 10.1.2.0/24 -p udp -m ttl --ttl-gt 3 -j DROP'],
      /^3 .* line 2 takes all/,
    ],
    [
      'an equal one with other conditions',
      [
        '-A FORWARD -m conntrack --ctstate NEW -j ACCEPT',
        '-A FORWARD -s 10.0.0.1 -j LOG',
        '-A FORWARD -m conntrack --ctstate NEW -j DROP',
      ],
      /^4 .* line 2 takes all/,
    ],
    [
      'a chain that nobody wants',
      [':lonely -', '-A lonely -j DROP'],
      /^2 chain lonely of table filter: no rule jumps to it/,
    ],
    ['a jump to nothing', [':void -', '-A FORWARD -j void'], /^3 .*jumps to void, which has no rules/],
    ['an unknown name', ['-A FORWARD -i eth0 -j DROP'], /^2 .*-i eth0 never matches/],
    ['an unknown name that is denied', ['-A FORWARD ! -o eth0 -j DROP'], /^2 .*-o eth0 always matches/],
    ['fragments', ['-A FORWARD -f -j DROP'], /^2 .*never matches/],
  ])('%s', (_, lines, expected) => {
    expect(findings(...lines)).toEqual([expect.stringMatching(expected)])
  })
})

describe('finds nothing in', () => {
  it.each([
    [
      'the usual small ruleset',
      [
        ':FORWARD DROP',
        '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        '-A FORWARD -m conntrack --ctstate INVALID -j DROP',
        '-A FORWARD -p tcp --dport 22 -j ACCEPT',
        '-A FORWARD -p tcp --dport 80 -j ACCEPT',
        '-A FORWARD -j DROP',
      ],
    ],
    ['a rule that only counts', ['-A FORWARD', '-A FORWARD -j DROP']],
    [
      'a limit before the same without',
      ['-A FORWARD -p tcp -m limit --limit 1/s -j ACCEPT', '-A FORWARD -p tcp -j ACCEPT'],
    ],
    ['a wider one behind', ['-A FORWARD -s 10.1.0.0/16 -j ACCEPT', '-A FORWARD -s 10.0.0.0/8 -j ACCEPT']],
    [
      'a mark in between',
      [
        '-A FORWARD -m mark --mark 1 -j ACCEPT',
        ':set -',
        '-A set -j MARK --set-mark 1',
        '-A FORWARD -j set',
        '-A FORWARD -m mark --mark 1 -j DROP',
      ].map((l) => l),
    ],
    [
      'a chain that returns',
      [':a -', '-A a -s 10.0.0.1 -j RETURN', '-A a -j DROP', '-A FORWARD -j a', '-A FORWARD -j LOG'],
    ],
    ['a denied address', ['-A FORWARD ! -s 10.0.0.0/8 -j ACCEPT', '-A FORWARD -s 10.0.0.0/8 -j DROP']],
    [
      'names, wildcards and lo',
      [
        '-A FORWARD -i vm1 -o default-uplink -j ACCEPT',
        '-A FORWARD -i vm+ -j DROP',
        '-A FORWARD -i lo -j DROP',
      ],
    ],
  ])('%s', (_, lines) => {
    const text = lines.some((line) => line.includes('MARK')) ? 'mangle' : 'filter'
    const ruleset = restore([`*${text}`, ...lines, 'COMMIT', ''].join('\n'))
    expect(lint(ruleset, known)).toEqual([])
  })
})

it('many different rules are looked at in no time', () => {
  const many = Array.from(
    { length: 20_000 },
    (_, n) => `-A FORWARD -s 10.${n >> 8}.${n & 255}.1 -p tcp --dport ${n} -j ACCEPT`,
  )
  expect(findings(...many, '-A FORWARD -s 10.3.7.1 -p tcp --dport 775 -j DROP')).toEqual([
    expect.stringMatching(/^20002 .*line 777/),
  ])
})

it('a rule that is called vain never counts', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const random = new Random(seed)
  let vain = 0
  for (let round = 0; round < 300; round++) {
    const text = rules(random)
    const ruleset = restore(text)
    const lines = new Set(
      lint(ruleset, () => true)
        .filter(({ text }) => /never (matches|reached)|is never/.test(text))
        .map(({ line }) => line),
    )
    vain += lines.size
    const stroll = new Stroll(ruleset)
    for (let n = 0; n < 60; n++) {
      stroll.packet(random)
      stroll.walk('filter', 'FORWARD')
      const met = stroll.steps.filter(({ matched, line }) => matched && lines.has(line))
      expect(
        met.map(({ line, text: rule }) => `${line} ${rule}`),
        `seed ${seed}, round ${round}\n${text}`,
      ).toEqual([])
    }
  }
  expect(vain, `seed ${seed}`).toBeGreaterThan(50)
})
