/** What does not fit into a worker is refused, with what to write instead. */
import { expect, it } from 'vitest'
import { compile } from '../../src/chain/compile.ts'
import { restore } from '../../src/chain/restore.ts'

const context = { kindOf: () => null, set: () => null }
const made = (lines: string[]) =>
  compile(restore(['*filter', ...lines, 'COMMIT', ''].join('\n')), context, null)
const many = (count: number, rule: (n: number) => string) => Array.from({ length: count }, (_, n) => rule(n))

it.each([
  ['matches', (n: number) => `-A FORWARD -m limit --limit ${(n % 9000) + 1}/s -j LOG`, 65_537, 'use sets'],
  ['names', (n: number) => `-A FORWARD -i w${n}${n & 1 ? '+' : ''} -j ACCEPT`, 10_000, 'use sets or marks'],
])('too many %s', (_, rule, count, remedy) => {
  expect(() => made(many(count, rule))).toThrow(remedy)
})

it('too many chains', () => {
  const count = 33_000
  const chains = many(count, (n) => `:c${n} -`)
  const jumps = many(count, (n) => `-A FORWARD -s 10.${n >> 16}.${(n >> 8) & 255}.${n & 255} -j c${n}`)
  const rules = many(count, (n) => `-A c${n} -j DROP`)
  expect(() => made([...chains, ...jumps, ...rules])).toThrow('put rules into fewer chains')
})

it('names of interfaces have their numbers in the order in which rules say them', () => {
  const { numbering } = made(['-A FORWARD -i b -j DROP', '-A FORWARD -i a+ -o b', '-A FORWARD -i a -o c+'])
  expect(numbering).toMatchObject({ names: ['b', 'a'], wildcards: ['a', 'c'] })
})
