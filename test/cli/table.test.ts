/** Listings for people: columns that line up, whatever stands in them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { age, table } from '../../src/cli/table.ts'

const columns = [
  { title: 'NAME', text: (row: { name: string; count: number }) => row.name },
  { title: 'COUNT', text: (row: { name: string; count: number }) => row.count },
]

describe('table', () => {
  it('text to the left, numbers to the right, a dash for nothing', () => {
    const rows = [
      { name: 'a', count: 1000 },
      { name: '', count: 5 },
    ]
    expect(table(rows, columns)).toBe('NAME  COUNT\na      1000\n-         5\n')
  })

  it('without rows the heading alone', () => expect(table([], columns)).toBe('NAME  COUNT\n'))

  it('every column begins at the same place', () => {
    const row = fc.record({ name: fc.stringMatching(/^[a-z]{1,20}$/), count: fc.nat() })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1 }), (rows) => {
        const lines = table(rows, columns).trimEnd().split('\n')
        expect(lines).toHaveLength(rows.length + 1)
        expect(new Set(lines.map((line) => line.length)).size).toBe(1)
      }),
    )
  })

  it.each([
    [0, '0s'],
    [59.9, '59s'],
    [61, '1m1s'],
    [3661, '1h1m'],
    [90_000, '1d1h'],
  ])('%d seconds are %s', (seconds, text) => expect(age(seconds)).toBe(text))
})
