/** The exposition format: what stands in labels, in histograms, and that nothing is lost between pieces. */
import { expect, it } from 'vitest'
import { Audience } from '../../../src/control/live/audience.ts'
import { Exposition, type Family, histogram, labels } from '../../../src/control/metrics/exposition.ts'
import { Metrics } from '../../../src/control/metrics/metrics.ts'
import { attempt } from '../../lab/command.ts'
import { during, plan } from '../../lab/fabric.ts'
import { suite } from '../../lab/peer.ts'

function text<Gathered>(family: Omit<Family<Gathered>, 'help'>, gathered: Gathered): string {
  const exposition = new Exposition()
  exposition.add({ help: 'What it is.', ...family }, gathered)
  return String(exposition.end())
}

it('writes three characters of a label as two each, and every other as it is', () => {
  expect(labels({ a: 'C:\\dir', b: 'say "no"', c: 'two\nlines', d: 'ä€😀\t{}', e: 3 })).toBe(
    'a="C:\\\\dir",b="say \\"no\\"",c="two\\nlines",d="ä€😀\t{}",e="3"',
  )
})

it('writes samples with and without labels', () => {
  const values = [1, 2.5, 1e-6, 2 ** 53, 1e21]
  const write: Family<number[]>['write'] = (all, put) => {
    put('', all[0])
    for (const value of all.slice(1)) put(`v="${value}"`, value)
  }
  expect(text({ name: 'x', type: 'gauge', write }, values)).toBe(
    '# HELP x What it is.\n# TYPE x gauge\nx 1\nx{v="2.5"} 2.5\nx{v="0.000001"} 0.000001\n' +
      'x{v="9007199254740992"} 9007199254740992\nx{v="1e+21"} 1e+21\n',
  )
})

it('sums the buckets of a histogram, those beyond the bounds included', () => {
  const write: Family<number[]>['write'] = (counts, put) => histogram(put, 'w="0"', [1, 2], counts, 9.5)
  const lines = (counts: number[]) =>
    text({ name: 'h', type: 'histogram', write }, counts).split('\n').slice(2)
  expect(lines([1, 2, 4])).toEqual([
    ...['h_bucket{le="1",w="0"} 1', 'h_bucket{le="2",w="0"} 3', 'h_bucket{le="+Inf",w="0"} 7'],
    ...['h_sum{w="0"} 9.5', 'h_count{w="0"} 7', ''],
  ])
  expect(lines([1, 2])).toContain('h_count{w="0"} 3')
})

it('loses nothing between pieces', () => {
  const write: Family<number>['write'] = (count, put) => {
    for (let n = 0; n < count; n++) put(`n="ä${n}"`, n)
  }
  const written = text({ name: 'x', type: 'gauge', write }, 5000).split('\n').slice(2, -1)
  expect(written).toEqual(Array.from({ length: 5000 }, (_, n) => `x{n="ä${n}"} ${n}`))
})

it('gives everybody who asks at the same time the same answer', () =>
  during(plan('a'), async (fabric) => {
    const metrics = await Metrics.start(fabric, new Audience(fabric))
    const [first, second] = [metrics.scrape(), metrics.scrape()]
    expect(await first).toBe(await second)
    expect(await metrics.scrape()).not.toBe(await first)
  }))

suite('exposition', ['promtool'], () => {
  it('is what Prometheus reads, whatever stands in a label', async () => {
    const write: Family<string[]>['write'] = (all, put) => {
      for (const value of all) put(labels({ value }), 1)
    }
    const values = ['', '\\', '"', '\n', '\\n', '"} 2', '{', '\r\t\0', 'ä€😀', '#', 'x'.repeat(300)]
    const input = text({ name: 'x', type: 'gauge', write }, values)
    expect(await attempt(['promtool', 'check', 'metrics'], { input })).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    })
  })
})
