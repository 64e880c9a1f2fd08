/** The pictures of `bridgeport top`: moments, wishes and sizes in, lines out. */
import { describe, expect, it } from 'vitest'
import { type Key, press } from '../../src/cli/top/keys.ts'
import { paint, plain, scaled } from '../../src/cli/top/line.ts'
import { summarize } from '../../src/cli/top/summary.ts'
import { draw, initial, text, type View } from '../../src/cli/top/view.ts'
import type { FlowRow } from '../../src/control/flows.ts'
import type { Picture, PortRates, Sample, TopFlow } from '../../src/control/live/live.ts'

const picture = (ports: [name: string, network: string, state?: string][]): Picture => ({
  version: '1.2.3',
  pid: 42,
  workers: 1,
  networks: [],
  ports: ports.map(
    ([name, network, state = 'up']) => ({ name, network, type: 'tap', state }) as Picture['ports'][number],
  ),
})

const sample = (values: Partial<Sample>): Sample => ({
  ...{ time: 2000, seconds: 1, uptimeSeconds: 3700, memoryBytes: 2 ** 28, ports: {}, drops: {}, captures: 0 },
  workers: [{ busy: 0.5, frames: 1500 }],
  flows: { count: 3, capacity: 1000, created: 2, top: [] },
  ...values,
})

/** A connection from port `number` on, as the one end sees it and, if `outside` is given, as the other does. */
function flow(number: number, byteRate: number, outside?: string): TopFlow {
  const ends = { source: '10.0.0.2', destination: '192.0.2.9', sourcePort: number, destinationPort: 443 }
  const back = { source: '192.0.2.9', destination: outside ?? '10.0.0.2', sourcePort: 443 }
  const row = { network: 'lan', egress: 'lan-uplink', protocol: 'tcp', state: 'ESTABLISHED' }
  const counts = { packets: 1, bytes: 1 }
  return {
    ...(row as FlowRow),
    original: { ...ends, ...counts },
    reply: { ...back, destinationPort: number, ...counts },
    packetRate: 1,
    byteRate,
  }
}

const names = Array.from({ length: 60 }, (_, index) => `p${index}`)
const crowd = picture(names.map((name) => [name, 'lan']))
const rates = Object.fromEntries(
  names.map((name, index): [string, PortRates] => [name, [1, index * 125, 0, 0, 0]]),
)
const busy = sample({
  ports: { ...rates, p7: [9, 1e9, 9, 1e9, 4] },
  drops: { p7: { filter_forward: 12 }, p1: { no_destination: 90 } },
  flows: { count: 2, capacity: 1000, created: 2, top: [flow(1000, 10), flow(2000, 5e6, '198.51.100.1')] },
})
const before = sample({ time: 1000, drops: { p7: { filter_forward: 8 }, p1: { no_destination: 90 } } })
const summary = summarize(crowd, busy, before)

function shown(view: Partial<View>, width = 100, height = 30, notice = ''): string[] {
  return draw(summary, { ...initial, ...view }, notice, width, height).lines.map((line) => plain(line))
}

/** Text without styles, and with everything else that could steer a terminal. */
function unstyled(told: string): string {
  const [first, ...rest] = told.split('\x1b[')
  return [first, ...rest.map((part) => part.replace(/^\d+m/, ''))].join('')
}

const row = (lines: string[], start: string) =>
  lines.findIndex((line) => new RegExp(`^${start}\\b`).test(line))

describe('a moment', () => {
  it('has ports and reasons by rate, and the rates of reasons', () => {
    expect(summary.ports.slice(0, 3).map(({ name }) => name)).toEqual(['p7', 'p59', 'p58'])
    expect(summary.ports[0]).toMatchObject({ rxFrameRate: 9, txByteRate: 1e9, dropRate: 4 })
    expect(summary.drops).toEqual([
      { reason: 'filter_forward', dropRate: 4, total: 12, ports: { p7: 12 } },
      { reason: 'no_destination', dropRate: 0, total: 90, ports: { p1: 90 } },
    ])
  })

  it('is of one network if it is named, with the drops of its ports alone', () => {
    const two = picture([
      ['a', 'lan'],
      ['b', 'lab'],
    ])
    const top = [flow(1, 1), { ...flow(2, 2), network: 'lab', egress: 'lab' }]
    const values = { drops: { a: { ttl: 1 }, b: { ttl: 2 } }, flows: { ...busy.flows, top } }
    const one = summarize(two, sample(values), sample({}), 'lab')
    expect(one.ports.map(({ name }) => name)).toEqual(['b'])
    expect(one.drops.map(({ total }) => total)).toEqual([2])
    expect(one.flows.top.map(({ network }) => network)).toEqual(['lab'])
  })

  it('names the ports where most was dropped, and finds the others all the same', () => {
    const drops = { p1: { runt: 1 }, p2: { runt: 2 }, p3: { runt: 3 }, p4: { runt: 4 }, p5: { runt: 5 } }
    const many = summarize(crowd, sample({ drops }), sample({ drops }))
    const lines = draw(many, { ...initial, filter: 'p1' }, '', 100, 30).lines.map((line) => plain(line))
    expect(lines.find((line) => line.startsWith('runt'))).toMatch(/ 0 +15 +p5 p4 p3 \+2$/)
  })

  it('counts a port that was made again from zero', () => {
    const values = { drops: { p7: { filter_forward: 3 } } }
    expect(summarize(crowd, sample(values), before).drops[0].dropRate).toBe(0)
  })
})

describe('a picture', () => {
  it.each([
    [40, 10],
    [80, 24],
    [200, 80],
    [20, 5],
    [1, 1],
    [3, 2],
  ])('fills %i columns and %i lines and no more', (width, height) => {
    for (const view of [{}, { isHelp: true }, { focus: 'flows' as const, isAlone: true }]) {
      const { lines } = draw(summary, { ...initial, ...view }, 'a notice', width, height)
      expect(lines).toHaveLength(height)
      for (const line of lines) expect(unstyled(paint(line, width, false)).length).toBeLessThanOrEqual(width)
    }
  })

  it('shows the switch, every section, and the busiest first', () => {
    const lines = shown({})
    expect(lines[0]).toBe('bridgeport 1.2.3  up 1h1m  flows 2/1000  2 created/s  256 MiB  captures 0')
    const places = ['WORKERS', 'PORTS', 'p7', 'p59', 'FLOWS', 'DROPS'].map((start) => row(lines, start))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(places[0]).toBeGreaterThan(0)
    expect(lines.find((line) => line.startsWith('p7 '))).toMatch(/^p7 +lan +up +8.00G +8.00G +9 +9 +4$/)
    expect(lines.find((line) => line.includes(':2000 >'))).toMatch(
      /^10.0.0.2:2000 > 192.0.2.9:443 +as 198.51.100.1:2000 +tcp/,
    )
    expect(lines.find((line) => line.includes(':1000 >'))).not.toContain(' as ')
    expect(lines.find((line) => line.startsWith('filter_forward'))).toMatch(/4 +12 +p7$/)
  })

  it('keeps something of every section in ten lines, and name and rates in forty columns', () => {
    const lines = shown({}, 40, 10)
    for (const start of ['WORKERS', 'PORTS', 'p7', 'FLOWS', 'DROPS'])
      expect(row(lines, start)).toBeGreaterThan(0)
    expect(lines.find((line) => line.startsWith('p7 '))).toContain('8.00G')
  })

  it('keeps names in twenty columns, and no heading without rows in three lines', () => {
    const narrow = shown({ focus: 'ports', isAlone: true }, 20, 5)
    expect(narrow.slice(1, 3)).toEqual(['PORTS  RX bit/s', 'p7        8.00G'])
    const low = shown({}, 100, 3)
    expect(low[1]).toBe('')
    expect(low[2]).toContain('  60 ports by rate')
  })

  it('shows the focused section alone, from where it was scrolled to, and never past its end', () => {
    const lines = shown({ focus: 'ports', isAlone: true, sort: 'name', offset: 3 }, 100, 10)
    expect(lines.slice(2, 4).map((line) => line.split(' ')[0])).toEqual(['p3', 'p4'])
    expect(lines.at(-1)).toContain('4-10 of 60 ports')
    expect(row(lines, 'FLOWS')).toBe(-1)
    expect(draw(summary, { ...initial, isAlone: true, offset: 1e9 }, '', 100, 10)).toMatchObject({
      offset: 53,
      page: 7,
    })
  })

  it('sorts and filters', () => {
    expect(shown({ sort: 'name' }).filter((line) => /^p\d/.test(line))[1]).toMatch(/^p1 /)
    const found = shown({ filter: 'P59' })
    expect(found.filter((line) => /^p\d/.test(line))).toHaveLength(1)
    expect(found.at(-1)).toMatch(/^filter: P59 /)
    expect(shown({ filter: 'a much too long P59', isTyping: true }, 9, 30).at(-1)).toBe('long P59_')
    expect(shown({ filter: '198.51' }).filter((line) => line.includes(' > 192.0.2.9'))).toHaveLength(1)
  })

  it('tells nothing to a terminal but text and styles, whatever names are', () => {
    const evil = 'a\x1b]0;x\x07\x9b2J\nb\u202eü'
    const hostile = summarize(picture([[evil, evil, evil]]), sample({}), sample({}))
    const { lines } = draw(hostile, { ...initial, filter: '' }, evil, 200, 20)
    for (const hasColours of [true, false])
      for (const line of lines) expect(unstyled(paint(line, 200, hasColours))).toMatch(/^[\x20-\x7e]*$/)
    expect(text(hostile, Number.POSITIVE_INFINITY)).toMatch(/^[\x20-\x7e\n]*$/)
  })

  it('has no colours where they are not wanted', () => {
    expect(
      paint(
        [
          ['a', 'red'],
          ['b', 'bold'],
        ],
        80,
        false,
      ),
    ).toBe('a\x1b[1mb\x1b[0m')
    expect(paint([['a', 'red']], 80, true)).toBe('\x1b[31ma\x1b[0m')
  })

  it('is the same as text, whole', () => {
    const whole = text(summary, Number.POSITIVE_INFINITY).split('\n')
    expect(whole.filter((line) => /^p\d/.test(line))).toHaveLength(60)
    expect(whole.filter((line) => line === '')).toHaveLength(5)
  })
})

describe('keys', () => {
  const after = (keys: (string | Key)[], view: View = initial) =>
    keys.reduce<View | null>((now, key) => {
      const told = typeof key === 'string' ? { name: key.toLowerCase(), sequence: key } : key
      return now === null ? null : press(now, told, 10)
    }, view)

  it('choose a section, and it alone', () => {
    expect(after(['f'])).toMatchObject({ focus: 'flows', isAlone: false })
    expect(after(['f', 'f'])).toMatchObject({ focus: 'flows', isAlone: true })
    expect(after(['f', 'f', 'f', 'd'])).toMatchObject({ focus: 'drops', isAlone: false })
  })

  it('type a filter, in which keys are text', () => {
    expect(after(['/', 'q', '1', { name: 'space', sequence: ' ' }])).toMatchObject({
      filter: 'q1 ',
      isTyping: true,
    })
    expect(
      after(['/', 'a', 'b', { name: 'backspace', sequence: '\x7f' }, { name: 'return', sequence: '\r' }]),
    ).toMatchObject({
      filter: 'a',
      isTyping: false,
    })
    expect(after(['/', 'a', { name: 'escape', sequence: '\x1b' }])).toMatchObject({
      filter: '',
      isTyping: false,
    })
    expect(after(['/', { name: 'up', sequence: '\x1b[A' }])).toMatchObject({ filter: '' })
  })

  it('scroll by lines and pages', () => {
    expect(after(['j', 'j', { name: 'pagedown' }, 'k'])?.offset).toBe(11)
    expect(after([{ name: 'pageup' }])?.offset).toBe(0)
    expect(after([{ name: 'end' }])?.offset).toBe(Number.MAX_SAFE_INTEGER)
    expect(after([{ name: 'end' }, { name: 'home' }])?.offset).toBe(0)
  })

  it('pace, pause, help and quit', () => {
    expect(after(['+'])?.intervalMs).toBe(2000)
    expect(after(['-', '-', '-', '-'])?.intervalMs).toBe(250)
    expect(after([{ name: 'space', sequence: ' ' }])?.isPaused).toBe(true)
    expect(after(['?'])?.isHelp).toBe(true)
    expect(after(['?', 'q'])).toMatchObject({ isHelp: false })
    expect(after(['q'])).toBeNull()
    expect(after(['/', { name: 'c', ctrl: true }])).toBeNull()
  })
})

describe('numbers', () => {
  it.each([
    [0, '0'],
    [Number.NaN, '0'],
    [0.25, '0.3'],
    [9.96, '10'],
    [999.4, '999'],
    [999.6, '1.00k'],
    [12_345, '12.3k'],
    [999_999, '1.00M'],
    [1.5e11, '150G'],
  ])('%d is %s', (value, said) => expect(scaled(value)).toBe(said))
})
