/** What rules tell, from the ring to rows: names, numbers, rulesets that are swapped, what is kept, and when nobody looks. */
import { once } from 'node:events'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { compile } from '../../src/chain/compile.ts'
import * as R from '../../src/chain/registers.ts'
import { restore } from '../../src/chain/restore.ts'
import { Events } from '../../src/control/events.ts'
import type { Plant } from '../../src/control/plant.ts'
import { Arena } from '../../src/memory/arena.ts'
import { Journal, LOG, lengthOf, NFLOG, RATE, TRACE } from '../../src/table/journal.ts'

const PACKET = Buffer.from('4500001d0001000040110000' + '0a4d00010a4d0002' + '0035003600090000', 'hex')
const FRAME_AT = 4096 * 600
const member = (index: number, name: string, network: string, type = 'memory') =>
  [name, { index, spec: { name, network, type } }] as const

let arena: Arena
let journal: Journal
let events: Events
let lines: string[]
const x = new Int32Array(R.COUNT)

beforeEach(() => {
  arena = Arena.create(2 ** 22)
  const { at } = arena.allocate('journal', lengthOf())
  journal = new Journal(arena, at)
  lines = []
  const members = new Map([
    member(4, 'vm1', 'lan'),
    member(5, 'lan', 'lan', 'local'),
    member(6, 'lan-uplink', 'lan-uplink'),
  ])
  const plant = { arena, members, ground: { memory: { journalAt: at } } }
  const log = {
    info: (_: object, text: string) => lines.push(text),
    warn: (_: object, text: string) => lines.push(text),
  }
  events = new Events(plant as unknown as Plant, log)
  arena.u8.set(PACKET, FRAME_AT + 14)
  x.fill(0)
  x.set([0x0a4d0001, 0x0a4d0002, (53 << 16) | 54, 17], R.SOURCE)
  x[R.AT] = FRAME_AT
  x[R.NETWORK] = FRAME_AT + 14
  x[R.END] = FRAME_AT + 14 + PACKET.length
  x[R.IN_INDEX] = 5
  x[R.OUT_INDEX] = 7
  x[R.TABLE] = 3
  x[R.HOOK] = 2
})
afterEach(() => {
  events.close()
  arena.close()
  vi.useRealTimers()
})

/** Puts a filter table in force, as a swap does; numbers of its rules are their places. */
function enforce(...rules: string[]): void {
  const ruleset = restore(['*filter', ...rules, 'COMMIT', ''].join('\n'))
  events.follow(ruleset, compile(ruleset, { kindOf: () => null, set: () => null }, null).numbering)
  journal.turn()
}

it('a rule tells with its own words and place', () => {
  enforce(
    '-A FORWARD -j ACCEPT',
    '-A FORWARD -j LOG --log-prefix "a b: " --log-level 2',
    '-A FORWARD -j NFLOG --nflog-group 3 --nflog-prefix n',
  )
  journal.write(x, LOG, 1)
  journal.write(x, NFLOG, 2)
  const [log, nflog] = events.list()
  const place = { table: 'filter', chain: 'FORWARD', hook: 'FORWARD', ingress: 'vm1', egress: 'lan-uplink' }
  expect(log).toMatchObject({
    ...place,
    id: 1,
    kind: 'log',
    level: 'crit',
    prefix: 'a b: ',
    rule: 2,
    line: 3,
    group: null,
  })
  expect(log?.text).toMatch(
    /^a b: IN=lan OUT=lan-uplink PHYSIN=vm1 MAC=(00:){13}00 SRC=10\.77\.0\.1 .*DPT=54 LEN=9$/,
  )
  expect(nflog).toMatchObject({ ...place, id: 2, kind: 'nflog', group: 3, prefix: 'n', level: null })
  expect(lines).toEqual([log?.text, nflog?.text])
  expect(events.list(1)).toEqual([nflog])
})

it('TRACE tells of rules, of what returns, and of policies', () => {
  enforce(':a -', '-A FORWARD -j a', '-A a -p udp', '-A a -j RETURN')
  // Rules are numbered chain by chain, behind them the policies.
  for (const number of [0, 1, 2, 4]) journal.write(x, TRACE, number)
  const places = events.list().map(({ text }) => text.split(' ')[1])
  expect(places).toEqual([
    'filter:FORWARD:rule:1',
    'filter:a:rule:1',
    'filter:a:return:2',
    'filter:FORWARD:policy:2',
  ])
})

it('a record belongs to the rules that were in force when it was written', () => {
  enforce('-A FORWARD -j LOG --log-prefix old')
  journal.write(x, LOG, 0)
  const next = restore('*filter\n-A INPUT -j LOG --log-prefix new\nCOMMIT\n')
  events.follow(next, compile(next, { kindOf: () => null, set: () => null }, null).numbering)
  journal.write(x, LOG, 0)
  journal.turn()
  journal.write(x, LOG, 0)
  expect(events.list().map(({ prefix }) => prefix)).toEqual(['old', 'old', 'new'])
})

it('nobody looks while no rule tells, and somebody does while one may', () => {
  vi.useFakeTimers()
  expect(vi.getTimerCount()).toBe(0)
  enforce('-A FORWARD -j DROP')
  expect(vi.getTimerCount()).toBe(0)
  enforce('-A FORWARD -j LOG')
  expect(vi.getTimerCount()).toBe(1)
  journal.write(x, LOG, 0)
  vi.advanceTimersByTime(200)
  expect(lines).toHaveLength(1)
  enforce('-A FORWARD -j DROP')
  vi.advanceTimersByTime(200)
  expect(vi.getTimerCount()).toBe(0)
})

it('the last thousand are kept, and what was left out is told', () => {
  enforce('-A FORWARD -j LOG')
  for (let second = 0; second < 2; second++) {
    x[R.NOW] = second * 1000
    for (let n = 0; n < RATE + 5; n++) journal.write(x, LOG, 0)
    events.list()
  }
  const rows = events.list()
  expect(rows).toHaveLength(1000)
  expect(rows.at(-1)).toMatchObject({ kind: 'lost', id: 2 * RATE + 2 })
  expect(rows.at(-1)?.text).toMatch(/^5 records of rules were left out: at most 1000 a second are kept/)
})

it('who follows gets what was and what comes, and leaves no trace', async () => {
  enforce('-A FORWARD -j LOG --log-prefix one')
  journal.write(x, LOG, 0)
  const stream = events.stream().setEncoding('utf8')
  let text = ''
  stream.on('data', (chunk: string) => {
    text += chunk
  })
  journal.write(x, LOG, 0)
  await vi.waitFor(() => expect(text.trim().split('\n')).toHaveLength(2))
  expect(
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).id),
  ).toEqual([1, 2])
  expect(events.listenerCount('row')).toBe(1)
  stream.destroy()
  await once(stream, 'close')
  expect(events.listenerCount('row')).toBe(0)
})

it('who follows and does not read is cut off', async () => {
  enforce('-A FORWARD -j LOG')
  const stream = events.stream()
  for (let second = 0; second < 8; second++) {
    x[R.NOW] = second * 1000
    for (let n = 0; n < RATE; n++) journal.write(x, LOG, 0)
    events.list()
  }
  expect(stream.destroyed).toBe(true)
})
