/** A listing of rules is a part of them, in the order in which they are met. */
import { expect, it } from 'vitest'
import { restore } from '../../src/chain/restore.ts'
import { type Excerpt, Places, rows } from '../../src/control/counts.ts'

it('rows are made of the rules that are wanted', () => {
  const lines = [1, 2, 3, 4].map((n) => `-A FORWARD -s 10.0.0.${n}/32 -j ACCEPT\n`)
  const ruleset = restore(`*filter\n${lines.join('')}COMMIT\n`)
  const places = new Places(ruleset, null)
  const numbers = (excerpt: Excerpt) =>
    rows(ruleset, places, new Float64Array(0), excerpt).map(({ chain, number }) => `${chain} ${number}`)
  expect(numbers({})).toHaveLength(7)
  expect(numbers({ limit: 3 })).toEqual(['INPUT 0', 'FORWARD 0', 'FORWARD 1'])
  expect(numbers({ offset: 2, limit: 2 })).toEqual(['FORWARD 1', 'FORWARD 2'])
  expect(numbers({ search: 'filter FORWARD -a', offset: 1, limit: 2 })).toEqual(['FORWARD 2', 'FORWARD 3'])
  expect(numbers({ search: '10.0.0.4' })).toEqual(['FORWARD 4'])
  expect(numbers({ offset: 9 })).toEqual([])
})
