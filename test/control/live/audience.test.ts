/** Those who look on share one sampler; it stands still without them, keeps nothing for one that does not read, and ends at once. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { Viewer } from '../../../src/control/live/viewer.ts'
import { PictureAnswer, SampleAnswer } from '../../../src/control/watch.ts'
import { configure } from '../../../src/index.ts'
import { eventually } from '../../lab/command.ts'
import { Lobby, lab } from '../../lab/lobby.ts'
import { Watcher } from '../../lab/watcher.ts'

let lobby: Lobby
beforeAll(async () => {
  lobby = await Lobby.open()
})
afterAll(() => lobby.close())

const watch = (query = '') => Watcher.open({ host: '127.0.0.1', port: lobby.port }, query)
/** Timers that keep this process from its end. */
const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

/** A frame of 60 bytes to everybody. */
const frame = Uint8Array.from({ length: 60 }, (_, at) =>
  at < 6 ? 255 : ([2, 0, 0, 0, 0, 1, 0x88, 0xb5][at - 6] ?? 0),
)

it('a picture and a sample come at once, in the form that is described', async () => {
  const watcher = await watch('?interval=60000')
  expect([watcher.status, watcher.type]).toEqual([200, 'text/event-stream'])
  await watcher.sample('a sample', () => true)
  expect(watcher.text).toMatch(/^retry: \d+\n\nid: \d+\nevent: picture\ndata: \{/)
  expect(watcher.told.map(({ event }) => event)).toEqual(['picture', 'sample'])
  const ajv = new Ajv2020({ strict: false })
  const [picture, sample] = [PictureAnswer, SampleAnswer].map((schema) =>
    ajv.compile(z.toJSONSchema(schema, { io: 'output' })),
  )
  expect(picture(watcher.pictures[0]), ajv.errorsText(picture.errors)).toBe(true)
  expect(sample(watcher.samples[0]), ajv.errorsText(sample.errors)).toBe(true)
  expect(watcher.pictures[0].ports.map(({ name }) => name)).toEqual(['a', 'b'])
  expect(watcher.samples[0]).toMatchObject({ seconds: 0, ports: {}, flows: { count: 0, top: [] } })
  watcher.close()
})

it('rates add up to what was counted', async () => {
  const watcher = await watch('?interval=250')
  await watcher.sample('the first', () => true)
  const [a, b] = ['a', 'b'].map((name) => lobby.fabric.memory(name))
  const before = lobby.fabric.ports()
  for (let sent = 0; sent < 300; ) {
    if (a.send(frame)) sent++
    while (b.receive() !== null);
    if (sent % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const sum = (port: string, at: number) =>
    watcher.samples.reduce((total, { ports, seconds }) => total + (ports[port]?.[at] ?? 0) * seconds, 0)
  await eventually('all of it', () => Math.round(sum('a', 0)) >= 300)
  await watcher.sample('rest', ({ seconds, ports }) => seconds > 0 && ports.a === undefined)
  const now = lobby.fabric.ports()
  const counted = (['rxFrames', 'rxBytes', 'txFrames', 'txBytes'] as const).map(
    (key) => now[0][key] - before[0][key],
  )
  expect([0, 1, 2, 3].map((at) => Math.round(sum('a', at) / 10))).toEqual(
    counted.map((count) => Math.round(count / 10)),
  )
  expect(Math.round(sum('b', 2) / 10)).toBe(30)
  const { workers } = watcher.samples.find(({ ports }) => ports.a !== undefined) ?? { workers: [] }
  expect(workers[0].busy).toBeGreaterThan(0)
  expect(workers[0].frames).toBeGreaterThan(0)
  watcher.close()
})

it('the picture comes again when it has changed, and only then', async () => {
  const watcher = await watch('?interval=250')
  await eventually('some samples', () => watcher.samples.length > 3)
  expect(watcher.pictures.length).toBe(1)
  const { networks = {}, ports = {} } = lab
  const more = { ...ports, c: { network: 'lab', type: 'memory' as const } }
  await lobby.fabric.apply(configure({ networks, ports: more }))
  await watcher.picture('the new port', (picture) => picture.ports.some(({ name }) => name === 'c'))
  await lobby.fabric.apply(configure({ networks, ports }))
  await eventually('its end', () => watcher.pictures.at(-1)?.ports.length === 2)
  watcher.close()
})

it('viewers of any pace are told the same samples, and none is made without them', async () => {
  await eventually('nobody', () => lobby.audience.count === 0)
  const before = timers()
  const fast = await watch('?interval=250&flows=7')
  const running = timers()
  const others = await Promise.all(['?interval=250&flows=7', '?interval=750&flows=7'].map(watch))
  expect(timers()).toBe(running)
  await eventually('six samples', () => fast.samples.length >= 6)
  const samples = ({ told }: Watcher) => told.filter(({ event }) => event === 'sample')
  const made = new Map(samples(fast).map(({ id, text }) => [id, text]))
  for (const other of others)
    for (const { id, text } of samples(other).slice(1, -1)) expect(made.get(id)).toBe(text)
  expect(others[1].samples.length).toBeLessThan(fast.samples.length)
  for (const watcher of [fast, ...others]) watcher.close()
  await eventually('nobody', () => lobby.audience.count === 0)
  expect(timers()).toBeLessThanOrEqual(before)
})

it('the sixty-fifth is refused in a line, and its place is free when somebody goes', async () => {
  const watchers = await Promise.all(Array.from({ length: 64 }, () => watch('?interval=60000')))
  const refused = await lobby.ask('/v1/live')
  expect(refused.status).toBe(503)
  expect(JSON.parse(refused.body)).toEqual({ error: 'live: 64 look already; close one of their pages' })
  expect((await lobby.ask('HEAD /v1/live')).status).toBe(503)
  lobby.audience.watch(60_000, 0, false).destroy() // has a place on the unix socket
  watchers[0].close()
  await eventually('a place', () => lobby.audience.count === 63)
  const next = await watch()
  expect(next.status).toBe(200)
  for (const watcher of [next, ...watchers]) watcher.close()
  await eventually('nobody', () => lobby.audience.count === 0)
})

it.each([
  ['interval=249', 'interval: found "249", expected an integer from 250 to 60000'],
  ['interval=60001', 'interval: found "60001"'],
  ['interval=x', 'interval: found "x"'],
  ['flows=101', 'flows: found "101", expected an integer from 0 to 100'],
  ['flows=-1', 'flows: found "-1"'],
  ['pace=1', 'pace: unknown key'],
])('?%s is refused', async (query, line) => {
  const { status, body } = await lobby.ask(`/v1/live?${query}`)
  expect(status).toBe(400)
  expect(JSON.parse(body).error).toContain(line)
})

it('nothing is kept for a viewer that does not read', () => {
  const viewer = new Viewer(250, 20, false)
  const picture = 'p'.repeat(100_000)
  for (let n = 0; n < 1000; n++) viewer.tell(picture, 's'.repeat(2000))
  expect(viewer.readableLength).toBeLessThan(110_000)
  viewer.destroy()
})

it('a viewer that reads hears a sign of life in silence, one that does not is left after a while', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const [reader, sleeper] = [new Viewer(60_000, 0, false), new Viewer(60_000, 0, false)]
  reader.read()
  sleeper.tell('', 's'.repeat(100_000))
  vi.advanceTimersByTime(15_000)
  for (const viewer of [reader, sleeper]) viewer.rest(15_000)
  expect(String(reader.read())).toBe(':\n\n')
  vi.advanceTimersByTime(15_001)
  for (const viewer of [reader, sleeper]) viewer.rest(15_000)
  vi.useRealTimers()
  expect([reader.destroyed, sleeper.destroyed]).toEqual([false, true])
  reader.destroy()
})

it('a stream of which only the head was asked for is not begun', async () => {
  for (const path of ['/v1/live', '/v1/rules/events?follow=true'])
    expect(await lobby.ask(`HEAD ${path}`)).toMatchObject({ status: 200, body: '' })
  expect([lobby.audience.count, lobby.fabric.events.listenerCount('row')]).toEqual([0, 0])
})

it('streams end when the daemon does', async () => {
  const watchers = await Promise.all([watch(), watch('?interval=60000')])
  lobby.api.serve(null)
  await eventually('their ends', () => watchers.every(({ isOver }) => isOver))
  expect(lobby.audience.count).toBe(0)
  expect((await lobby.ask('/v1/live')).status).toBe(503)
})
