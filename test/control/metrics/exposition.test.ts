/** The exposition format: what stands in labels and in histograms, and that a text made from the one before is what it would be alone. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Exposition, type Family, histogram, labels } from '../../../src/control/metrics/exposition.ts'
import { attempt } from '../../lab/command.ts'
import { suite } from '../../lab/peer.ts'

type Columns = [series: string[], values: number[]]

const family = (name: string, at = 0): Family<Columns[]> => ({
  name,
  help: 'What it is.',
  type: 'gauge',
  read: (all) => ({ series: all[at][0], values: all[at][1] }),
})

/** Families x, y … of these samples, as an exposition writes them. */
function page(exposition: Exposition, ...all: Columns[]) {
  exposition.begin()
  for (const at of all.keys()) exposition.add(family('xyz'[at], at), all)
  return exposition.end()
}

const text = (...all: Columns[]) => String(page(new Exposition(), ...all).text)

it('writes three characters of a label as two each, and every other as it is', () => {
  expect(labels({ a: 'C:\\dir', b: 'say "no"', c: 'two\nlines', d: 'ä€😀\t{}', e: 3 })).toBe(
    '{a="C:\\\\dir",b="say \\"no\\"",c="two\\nlines",d="ä€😀\t{}",e="3"}',
  )
})

it('writes samples with and without labels', () => {
  const series = ['', '{v="1"}', '{v="2"}', '{v="3"}', '{v="4"}']
  expect(text([series, [1, 2.5, 1e-6, 2 ** 53, 1e21]])).toBe(
    '# HELP x What it is.\n# TYPE x gauge\nx 1\nx{v="1"} 2.5\nx{v="2"} 0.000001\n' +
      'x{v="3"} 9007199254740992\nx{v="4"} 1e+21\n',
  )
})

it('sums the buckets of a histogram, those beyond the bounds included', () => {
  const lines = (counts: number[]) => {
    const { series, values } = histogram({ w: 0 }, [1, 2], counts, 9.5)
    return text([series, values]).split('\n').slice(2)
  }
  expect(lines([1, 2, 4])).toEqual([
    ...['x_bucket{le="1",w="0"} 1', 'x_bucket{le="2",w="0"} 3', 'x_bucket{le="+Inf",w="0"} 7'],
    ...['x_sum{w="0"} 9.5', 'x_count{w="0"} 7', ''],
  ])
  expect(lines([1, 2])).toContain('x_count{w="0"} 3')
})

it('writes many samples and what is behind them', () => {
  const count = 5000
  const series = Array.from({ length: count }, (_, n) => `{n="ä${n}"}`)
  const exposition = new Exposition()
  exposition.begin()
  exposition.add(family('x'), [[series, [...series.keys()]]])
  const written = String(exposition.end('rest 1\n').text).split('\n').slice(2)
  expect(written).toEqual([...series.map((each, n) => `x${each} ${n}`), 'rest 1', ''])
})

it('makes of the text before what it would write anew, whatever samples come, go and change', () => {
  const value = fc.oneof(fc.nat(12), fc.double(), fc.constantFrom(0, 99, 100, 1e21, Number.NaN))
  const sample = fc.tuple(fc.constantFrom('', '{a="ä"}', '_b{a="1"}', '{a="x\\n y"}'), value)
  const columns = fc.array(sample, { maxLength: 6 }).map((samples): Columns => {
    return [samples.map(([series]) => series), samples.map(([, number]) => number)]
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(columns, columns), { minLength: 2, maxLength: 6 }), (scrapes) => {
      const exposition = new Exposition()
      for (const each of scrapes) expect(String(page(exposition, ...each).text)).toBe(text(...each))
    }),
  )
})

it('writes again only what changed', () => {
  const series = Array.from({ length: 1000 }, (_, n) => `{n="${n}"}`)
  const values = new Array(1000).fill(9)
  const exposition = new Exposition()
  page(exposition, [series, values])
  const all = exposition.written
  page(exposition, [series, values.with(500, 10)])
  expect(exposition.written).toBeLessThan(all / 100)
  // Series that are the same, of another list.
  page(exposition, [[...series], values.with(500, 10)])
  expect(exposition.written).toBeLessThan(all / 100)
})

it('uses the memory of the text before the last one again, unless somebody still reads it', () => {
  const exposition = new Exposition()
  const next = (value: number) => page(exposition, [[''], [value]])
  const [first, second, third] = [1, 2, 3].map(next)
  expect(third.text.buffer).toBe(first.text.buffer)
  const before = String(second.text)
  const giveBack = [second.borrow(), second.borrow()]
  giveBack[0]()
  const fourth = next(4)
  expect(fourth.text.buffer).not.toBe(second.text.buffer)
  next(5)
  expect(String(second.text)).toBe(before)
  giveBack[1]()
  expect([6, 7, 8].map((value) => next(value).text.buffer)).not.toContain(second.text.buffer)
})

it('lets go of memory that a shorter text does not need', () => {
  const exposition = new Exposition()
  const long: Columns = [Array.from({ length: 20_000 }, (_, n) => `{n="${n}"}`), new Array(20_000).fill(0)]
  const short: Columns = [[''], [0]]
  const capacity = (columns: Columns) => page(exposition, columns).text.buffer.byteLength
  const [most] = [capacity(long), capacity(long)]
  const [, , least] = [capacity(short), capacity(short), capacity(short)]
  expect(most).toBeGreaterThan(200_000)
  expect(least).toBeLessThan(100_000)
})

suite('exposition', ['promtool'], () => {
  it('is what Prometheus reads, whatever stands in a label', async () => {
    const values = ['', '\\', '"', '\n', '\\n', '"} 2', '{', '\r\t\0', 'ä€😀', '#', 'x'.repeat(300)]
    const input = text([values.map((value) => labels({ value })), values.map(() => 1)])
    expect(await attempt(['promtool', 'check', 'metrics'], { input })).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    })
  })
})
