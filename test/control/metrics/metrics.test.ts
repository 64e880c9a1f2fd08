/** Scrapes: who gets which text, and what is kept from one to the next. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { Audience } from '../../../src/control/live/audience.ts'
import { Kept } from '../../../src/control/metrics/kept.ts'
import { Metrics } from '../../../src/control/metrics/metrics.ts'
import { during, plan } from '../../lab/fabric.ts'
import { folder } from '../../lab/folder.ts'
import { Lobby } from '../../lab/lobby.ts'

afterEach(() => vi.useRealTimers())

it('gives everybody who asks at the same time the same answer', () =>
  during(plan('a'), async (fabric) => {
    const metrics = await Metrics.start(fabric, new Audience(fabric))
    const [first, second] = [metrics.scrape(), metrics.scrape()]
    expect(await first).toBe(await second)
    expect(await metrics.scrape()).not.toBe(await first)
  }))

it('gives a slow reader the text that he asked for, however often others scrape meanwhile', async () => {
  const lobby = await Lobby.open()
  try {
    const count = 1000
    /** Long comments: more than the kernel keeps for a reader behind a unix socket. */
    const restore = (packets: number) => {
      const rule = (n: number) =>
        `[${packets}:0] -A FORWARD -m comment --comment "${'x'.repeat(240)} ${n}" -j ACCEPT\n`
      const rules = Array.from({ length: count }, (_, n) => rule(n))
      return lobby.fabric.restoreRules(`*filter\n${rules.join('')}COMMIT\n`, { counters: true })
    }
    const values = (text: string) =>
      [...text.matchAll(/^bridgeport_rule_packets_total.*x \d+"\} (\d+)$/gm)].map(([, value]) => value)
    const path = join(folder('metrics'), 'socket')
    await lobby.api.listenUnix(path, 0o600)
    await restore(7)
    const slow = connect(path).pause()
    slow.write('GET /metrics HTTP/1.1\r\nHost: bridgeport\r\nConnection: close\r\n\r\n')
    await once(slow, 'readable')
    await restore(654_321)
    const others = new Array(count).fill('654321')
    for (let n = 0; n < 3; n++) expect(values((await lobby.ask('/metrics')).body)).toEqual(others)
    const chunks = await slow.toArray()
    expect(values(String(Buffer.concat(chunks)))).toEqual(new Array(count).fill('7'))
  } finally {
    await lobby.close()
  }
})

it('lets go of its memory when nobody scrapes for five minutes', () =>
  during(plan('a'), async (fabric) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const metrics = await Metrics.start(fabric, new Audience(fabric))
    const memory = async () => (await metrics.scrape()).text.buffer
    const before = [await memory(), await memory()]
    vi.advanceTimersByTime(299_000)
    expect(before).toContain(await memory())
    vi.advanceTimersByTime(299_000)
    expect(before).toContain(await memory())
    vi.advanceTimersByTime(301_000)
    expect(before).not.toContain(await memory())
  }))

it('finds out again after five seconds what is dear, and at once what is not', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const [dear, cheap] = [new Kept<number>(), new Kept<number>()]
  let found = 0
  const find = async () => ++found
  expect([await dear.take(find), await dear.take(find)]).toEqual([1, 1])
  vi.advanceTimersByTime(4999)
  expect(await dear.take(find)).toBe(1)
  vi.advanceTimersByTime(1)
  expect(await dear.take(find)).toBe(2)
  expect([await cheap.take(find, false), await cheap.take(find, false)]).toEqual([3, 4])
})
