/** The sets of a switch: changed by one, replaced whole, undone, refused. */
import { afterEach, describe, expect, it } from 'vitest'
import { COUNT, NOW, SOURCE } from '../../src/chain/registers.ts'
import { restoreSets } from '../../src/chain/sets.ts'
import { Bodies } from '../../src/control/body.ts'
import { Draft, type Held } from '../../src/control/draft.ts'
import { dated } from '../../src/control/roll.ts'
import { configure, Switch } from '../../src/index.ts'
import { Arena } from '../../src/memory/arena.ts'
import { carry } from '../../src/table/change.ts'
import { DIMENSION, SetTable } from '../../src/table/set.ts'

const silent = { info() {}, warn() {} }
let open: Switch | null = null

afterEach(async () => {
  await open?.close()
  open = null
})

async function start(): Promise<Switch> {
  const ports = { a: { network: 'lab', type: 'memory' as const } }
  open = await Switch.start(configure({ networks: { lab: { mode: 'internal' } }, ports }), silent)
  return open
}

/** Carries out a text and lets it stand. */
async function restore({ sets }: Switch, text: string, exist = false): Promise<void> {
  const turn = await sets.restore(text, exist)
  turn.settle()
}

const lines = ({ sets }: Switch) =>
  sets
    .save()
    .replaceAll(/ family .*/g, '')
    .trim()
    .split('\n')
    .sort()
const regions = (fabric: Switch) => {
  const { arena } = Reflect.get(fabric, 'plant') as { arena: Arena }
  return arena.regions().filter((name) => name.startsWith('set'))
}

describe('texts', () => {
  it('leave nothing behind when they are refused, and no more than the sets when they are not', async () => {
    const fabric = await start()
    await restore(fabric, 'create a hash:ip\nadd a 1.1.1.1\ncreate l list:set\nadd l a\n')
    const before = [lines(fabric), regions(fabric)]
    const wrong = 'create b hash:net\nadd a 2.2.2.2\nswap a b\n'
    await expect(fabric.sets.restore(wrong)).rejects.toThrow('line 3, column 8: b: is hash:net, not hash:ip')
    await expect(fabric.sets.restore('add a 3.3.3.3\nadd a 1.1.1.1\n')).rejects.toThrow('in the set already')
    await expect(fabric.sets.restore('create c hash:ip maxelem 2\nadd c 1.0.0.0/30\n')).rejects.toThrow(
      'full',
    )
    await expect(fabric.sets.restore('create big hash:ip maxelem 999999999\n'.repeat(2))).rejects.toThrow()
    expect([lines(fabric), regions(fabric)]).toEqual(before)
    await restore(fabric, 'create t hash:ip\nadd t 4.4.4.4\nswap a t\ndestroy t\n')
    expect([lines(fabric), regions(fabric).length]).toEqual([
      ['add a 4.4.4.4', 'add l a', 'create a hash:ip', 'create l list:set size 8'],
      before[1].length,
    ])
    await restore(fabric, 'destroy')
    expect(regions(fabric)).toEqual(['sets'])
  })

  it('can be undone', async () => {
    const fabric = await start()
    await restore(
      fabric,
      'create a hash:ip timeout 0\nadd a 1.1.1.1 timeout 600\ncreate l list:set\nadd l a\n',
    )
    const [before, owned] = [fabric.sets.save(), regions(fabric).length]
    for (const text of ['flush', 'del l a\ndestroy a\n', 'create b hash:net\nadd l b\nadd a 2.2.2.2\n']) {
      const turn = await fabric.sets.restore(text)
      expect(fabric.sets.save()).not.toBe(before)
      await turn.undo()
      expect(fabric.sets.save().replaceAll(/59\d/g, '600')).toBe(before.replaceAll(/59\d/g, '600'))
      expect(regions(fabric)).toHaveLength(owned)
    }
    for (const [verb, entry] of [
      ['add', '5.5.5.5'],
      ['del', '1.1.1.1'],
    ] as const) {
      const turn = await fabric.sets.change(verb, 'a', [entry], false)
      await turn.undo()
      expect(fabric.sets.save().replaceAll(/59\d/g, '600')).toBe(before.replaceAll(/59\d/g, '600'))
    }
  })

  it('that rules ask stay where they are', async () => {
    const fabric = await start()
    await restore(fabric, 'create a hash:ip\ncreate b hash:ip\n')
    const place = fabric.sets.place('a')
    expect(place).toMatchObject({ name: 'a', type: 'hash:ip' })
    await fabric.restoreRules('*filter\n-A FORWARD -m set --match-set a src -j DROP\nCOMMIT\n')
    await restore(fabric, 'swap a b\nadd a 1.1.1.1\n')
    expect(fabric.sets.place('a')).toEqual(place)
    await expect(fabric.sets.restore('destroy a\n')).rejects.toThrow('rules use it')
    await expect(fabric.sets.restore('rename a x\n')).rejects.toThrow('rules use it')
    await restore(fabric, 'destroy b\n')
    expect([fabric.sets.typeOf('a'), fabric.sets.typeOf('b')]).toEqual(['hash:ip', null])
  })

  it('a listing takes a piece of each, and says how many there are', async () => {
    const fabric = await start()
    const makes = [
      'a hash:ip',
      'b bitmap:port range 1-9',
      'c hash:net timeout 600',
      'd list:set',
      'e hash:net',
    ]
    const adds = ['a 1.1.1.1', 'a 2.2.2.2', 'a 3.3.3.3', 'b 5', 'b 6', 'c 10.0.0.0/8', 'd a', 'd b']
    const lines = [...makes.map((made) => `create ${made}`), ...adds.map((added) => `add ${added}`), '']
    await restore(fabric, lines.join('\n'))
    const told = (limit?: number) =>
      fabric.sets.rows(undefined, limit).map(({ count, entries }) => [count, entries.length].join())
    expect(told()).toEqual(['3,3', '2,2', '1,1', '2,2', '0,0'])
    expect(told(1)).toEqual(['3,1', '2,1', '1,1', '2,1', '0,0'])
    expect(told(0)).toEqual(['3,0', '2,0', '1,0', '2,0', '0,0'])
  })

  it('a snapshot goes on where time has gone meanwhile', async () => {
    const fabric = await start()
    const passed = new Date(Date.now() - 100_000).toISOString()
    const text = `# as it was at ${passed}\ncreate a hash:ip timeout 0
add a 1.1.1.1 timeout 300\nadd a 2.2.2.2 timeout 90\nadd a 3.3.3.3 timeout 0\n`
    const turn = await fabric.sets.become({ path: '', text })
    turn?.settle()
    expect(await fabric.sets.become({ path: '', text })).toBeNull()
    const [{ entries }] = fabric.sets.rows('a')
    expect(entries.map(({ element }) => element).sort()).toEqual(['1.1.1.1', '3.3.3.3'])
    expect(entries.find(({ element }) => element === '1.1.1.1')?.timeout).toBeGreaterThan(190)
    expect(dated(fabric.sets.save())).toMatch(/^# as it was at \d{4}-.*Z\ncreate a /)
    expect(dated('add a 1.1.1.1')).toMatch(/^# as it was at .*Z\nadd a 1\.1\.1\.1\n$/)
    const later = `${text}# as it was at ${new Date().toISOString()}\nadd a 4.4.4.4 timeout 90\nadd a 5.5.5`
    const next = await fabric.sets.become({ path: '', text: later })
    next?.settle()
    expect(fabric.sets.rows('a')[0].entries).toHaveLength(3)
    expect(fabric.sets.test('a', ['4.4.4.4'])).toBe(true)
  })

  it('1,000 sets of 100 entries are there at once, and the 1,024th is one too many', async () => {
    const fabric = await start()
    const many = Array.from({ length: 1000 }, (_, i) => {
      const entries = Array.from({ length: 100 }, (__, k) => `add s${i} 10.${i >> 8}.${i & 255}.${k + 1}\n`)
      return `create s${i} hash:ip maxelem 128\n${entries.join('')}`
    })
    await restore(fabric, many.join(''))
    expect(fabric.sets.test('s999', ['10.3.231.100'])).toBe(true)
    const more = Array.from({ length: 24 }, (_, i) => `create t${i} hash:ip maxelem 4\n`)
    await expect(fabric.sets.restore(more.join(''))).rejects.toThrow('there are 1023 sets already')
    await restore(fabric, more.slice(1).join(''))
  })
})

it('a late member leaves its list for good, though clocks wrap', () => {
  const arena = Arena.create(2 ** 24)
  arena.close()
  const bodies = new Bodies(arena)
  const draft = new Draft(new Map(), bodies, 0, () => false)
  const text =
    'create a hash:ip\ncreate b hash:ip\nadd b 0.0.0.7\ncreate l list:set timeout 10\nadd l a timeout 0\nadd l b\n'
  draft.run(restoreSets(text))
  expect(carry(arena, draft.seal(new Map()), 0)).toBe(0)
  const list = draft.sets.get('l') as Held
  const table = new SetTable(arena, list.at)
  const regs = new Int32Array(COUNT)
  const meets = (now: number) => {
    regs[SOURCE] = 7
    regs[NOW] = now
    return table.meets(regs, DIMENSION)
  }
  const later = (10_001 + 2 ** 31) | 0
  expect([meets(9999), meets(10_000), meets(later)]).toEqual([true, false, true])
  bodies.retire(list, 9999)
  expect(list.members).toHaveLength(2)
  bodies.retire(list, 10_000)
  expect([list.members.map(({ name }) => name), meets(0), meets(later)]).toEqual([['a'], false, false])
})

describe('single entries', () => {
  it('come and go, and are told of as ipset tells', async () => {
    const fabric = await start()
    const { sets } = fabric
    await restore(
      fabric,
      'create n hash:net\ncreate p hash:net,port timeout 50\ncreate b bitmap:port range 1-9\n',
    )
    await sets.change('add', 'n', ['10.0.0.0/8'], false)
    await sets.change('add', 'n', ['10.1.0.0/16', 'nomatch'], false)
    await sets.change('add', 'p', ['10.0.0.0/8,udp:53', 'timeout', '7'], false)
    await sets.change('add', 'b', ['3-5'], false)
    await sets.change('add', 'b', ['5'], true)
    expect(lines(fabric).filter((line) => line.startsWith('add'))).toEqual([
      'add b 3',
      'add b 4',
      'add b 5',
      'add n 10.0.0.0/8',
      'add n 10.1.0.0/16 nomatch',
      expect.stringMatching(/^add p 10\.0\.0\.0\/8,udp:53 timeout [67]$/),
    ])
    expect(sets.test('n', ['10.2.3.4'])).toBe(true)
    expect(sets.test('n', ['10.1.2.3'])).toBe(false)
    expect(sets.test('n', ['10.1.2.3', 'nomatch'])).toBe(true)
    expect(sets.test('n', ['10.0.0.0/8'])).toBe(true)
    expect(sets.test('n', ['10.0.0.0/9'])).toBe(false)
    expect(sets.test('p', ['10.9.9.9,udp:53'])).toBe(true)
    expect(sets.test('p', ['10.9.9.9,53'])).toBe(false)
    expect([sets.test('b', ['4']), sets.test('b', ['udp:6'])]).toEqual([true, false])
    expect(() => sets.test('b', ['4-5'])).toThrow('more than one entry')
    await expect(sets.change('add', 'b', ['5'], false)).rejects.toThrow('set b, 5: it is in the set already')
    await expect(sets.change('del', 'b', ['9'], false)).rejects.toThrow('set b, 9: it is not in the set')
    await expect(sets.change('add', 'n', ['10.0.0.0/8', 'timeout', '1'], false)).rejects.toThrow('timeout')
    await expect(sets.change('add', 'x', ['1.1.1.1'], false)).rejects.toThrow('set x: there is no set')
    await sets.change('del', 'b', ['1-4'], true)
    await sets.change('del', 'n', ['10.1.0.0/16'], false)
    expect([sets.test('b', ['4']), sets.test('n', ['10.1.2.3'])]).toEqual([false, true])
  })
})
