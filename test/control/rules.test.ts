/** The rules of a switch: restored as iptables-restore does, printed, counted, refused whole. */
import { afterEach, describe, expect, it } from 'vitest'
import { labelOf, SAMPLES } from '../../src/control/counts.ts'
import { configure, type FileInput, type Restoring, Switch } from '../../src/index.ts'

const silent = { info() {}, warn() {} }
let open: Switch | null = null

afterEach(async () => {
  await open?.close()
  open = null
})

const lab: FileInput = {
  networks: { lab: { mode: 'internal' } },
  ports: { a: { network: 'lab', type: 'memory' } },
}

async function start(input: FileInput = lab): Promise<Switch> {
  open = await Switch.start(configure(input), silent)
  return open
}

/** A whole table. */
const table = (name: string, ...lines: string[]) => `*${name}\n${lines.join('\n')}\nCOMMIT\n`

/** The rules in force, without policies' counters. */
const rules = (fabric: Switch) => fabric.saveRules().replaceAll(/ \[\d+:\d+\]$/gm, '')

async function refusal(fabric: Switch, text: string, how: Restoring = {}): Promise<string> {
  const before = fabric.saveRules(true)
  const message = await fabric.restoreRules(text, how).then(
    () => 'accepted',
    (error: Error) => error.message,
  )
  expect(fabric.saveRules(true)).toBe(before)
  return message
}

describe('restoring', () => {
  it('there are no rules at first, and none are printed', async () => {
    const fabric = await start()
    expect(fabric.saveRules()).toBe('')
    expect(fabric.rules()).toEqual([])
  })

  it('a text is in force and is printed as iptables-save does', async () => {
    const fabric = await start()
    const text = table('filter', ':FORWARD DROP', '-A FORWARD -p tcp --dport 80 -s 10.0.0.0/8 -j ACCEPT')
    expect(await fabric.restoreRules(text)).toBe(text)
    expect(fabric.saveRules(true)).toBe(
      table(
        'filter',
        ':INPUT ACCEPT [0:0]',
        ':FORWARD DROP [0:0]',
        ':OUTPUT ACCEPT [0:0]',
        '[0:0] -A FORWARD -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT',
      ),
    )
    expect(fabric.rules()).toContainEqual({
      table: 'filter',
      chain: 'FORWARD',
      number: 1,
      rule: '-A FORWARD -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j ACCEPT',
      packets: 0,
      bytes: 0,
      line: 3,
    })
    expect(fabric.rules().filter(({ number }) => number === 0)).toHaveLength(3)
  })

  it('tables that a text does not name stay, one that it names is replaced', async () => {
    const fabric = await start()
    await fabric.restoreRules(table('nat', ':X -', '-A X -j ACCEPT'))
    await fabric.restoreRules(table('filter', '-A INPUT -j DROP'))
    expect(rules(fabric)).toContain('*nat')
    expect(rules(fabric)).toContain('-A INPUT -j DROP')
    await fabric.restoreRules(table('filter', '-A OUTPUT -j DROP'))
    expect(rules(fabric)).not.toContain('-A INPUT -j DROP')
    expect(rules(fabric)).toContain('-A X -j ACCEPT')
    const whole = await fabric.restoreRules(table('nat', ''))
    expect(whole).not.toContain('-A X')
    expect(rules(fabric)).toContain('-A OUTPUT -j DROP')
  })

  it('only the table that is asked for', async () => {
    const fabric = await start()
    const both = table('nat', '-A POSTROUTING -j ACCEPT') + table('filter', '-A INPUT -j DROP')
    await fabric.restoreRules(both, { table: 'nat' })
    expect(rules(fabric)).toContain('-A POSTROUTING')
    expect(rules(fabric)).not.toContain('-A INPUT')
  })

  it('what the dataplane cannot prepare is told with its reason, and the rules in force stay', async () => {
    const fabric = await start()
    await fabric.restoreRules(table('filter', '-A INPUT -j DROP'))
    const { rulebook } = fabric
    const before = rulebook.save(false)
    const prepared = rulebook.restore(table('filter', '-A INPUT -m limit -j LOG'), {})
    prepared.plan.matchers[0] = '{"type":"nobody"}'
    await expect(rulebook.enforce(prepared)).rejects.toThrow('no matcher is of type nobody')
    expect(rulebook.save(false)).toBe(before)
    await fabric.restoreRules(table('filter', '-A INPUT -m limit -j LOG'))
  })

  it('noflush adds; a chain that is declared again is emptied', async () => {
    const fabric = await start()
    const base = table(
      'filter',
      ':FORWARD DROP',
      ':X -',
      ':Y -',
      '-A X -j DROP',
      '-A Y -j DROP',
      '-A FORWARD -j X',
    )
    await fabric.restoreRules(base)
    await fabric.restoreRules(table('filter', ':X -', '-A X -j ACCEPT', '-I FORWARD 1 -j Y'), {
      noflush: true,
    })
    expect(rules(fabric)).toBe(
      table(
        'filter',
        ':INPUT ACCEPT',
        ':FORWARD DROP',
        ':OUTPUT ACCEPT',
        ':X -',
        ':Y -',
        '-A FORWARD -j Y',
        '-A FORWARD -j X',
        '-A X -j ACCEPT',
        '-A Y -j DROP',
      ).replaceAll('\n\n', '\n'),
    )
    await fabric.restoreRules(table('filter', ':FORWARD ACCEPT') + table('nat', '-A OUTPUT -j ACCEPT'), {
      noflush: true,
    })
    expect(rules(fabric)).toContain('*nat')
    expect(rules(fabric)).toContain(':FORWARD ACCEPT')
    expect(rules(fabric)).toContain('-A FORWARD -j X')
    expect(await refusal(fabric, table('filter', '', '-A NOWHERE -j ACCEPT'), { noflush: true })).toMatch(
      /^line 3, column 4: NOWHERE: /,
    )
  })

  it('counters of the text count only if they are asked for', async () => {
    const fabric = await start()
    const text = table('filter', ':INPUT ACCEPT [3:300]', '[7:700] -A INPUT -s 10.0.0.1/32 -j ACCEPT')
    const of = () => fabric.rules().find(({ number }) => number === 1)
    const policy = () => fabric.rules().find(({ chain, number }) => chain === 'INPUT' && number === 0)
    await fabric.restoreRules(text)
    expect(of()).toMatchObject({ packets: 0, bytes: 0 })
    await fabric.restoreRules(text, { counters: true })
    expect(of()).toMatchObject({ packets: 7, bytes: 700 })
    expect(policy()).toMatchObject({ packets: 3, bytes: 300 })
    // A rule that stays goes on counting.
    await fabric.restoreRules(table('filter', '-A OUTPUT -j ACCEPT', '-A INPUT -s 10.0.0.1/32 -j ACCEPT'))
    expect(of()).toMatchObject({ chain: 'INPUT', packets: 7, bytes: 700 })
    await fabric.restoreRules(text, { counters: true })
    expect(of()).toMatchObject({ packets: 7, bytes: 700 })
  })
})

describe('refusals leave the rules in force', () => {
  it.each([
    ['a target that nobody knows', table('filter', '', '-A INPUT -j NOPE'), 'line 3, column 13: NOPE: '],
    [
      'an option that nobody knows',
      table('filter', '-A INPUT --colour red'),
      'line 2, column 10: --colour: ',
    ],
    ['a table that nobody knows', table('colours', ''), 'line 1, column 1: *colours: '],
    ['a table without an end', '*filter\n-A INPUT -j ACCEPT\n', 'COMMIT'],
    ['a chain that is missing', table('filter', '-A X -j ACCEPT'), 'line 2, column 4: X: '],
    ['a circle', table('filter', ':A -', ':B -', '-A A -j B', '-A B -j A', '-A INPUT -j A'), 'line '],
    ['a set that is missing', table('filter', '-A INPUT -m set --match-set s src -j DROP'), 'line 2, '],
    [
      'a target in another hook',
      table('nat', '-A PREROUTING -j MASQUERADE'),
      'line 2, column 18: MASQUERADE: ',
    ],
    ['noise', '\u0000\u0001%$§', 'line 1, '],
  ])('%s', async (_, text, place) => {
    const fabric = await start()
    await fabric.restoreRules(table('filter', '-A INPUT -j DROP'))
    expect(await refusal(fabric, text)).toContain(place)
    // What is added to other rules has its place in the same lines.
    expect(await refusal(fabric, text, { noflush: true })).toContain(place)
  })
})

describe('a configuration', () => {
  const written = (path: string, text: string) => ({ ...configure(lab), rules: { path, text } })

  it('has its rules from the start, and a wrong text refuses it by the name of its file', async () => {
    const text = table('filter', '-A INPUT -j DROP')
    open = await Switch.start(written('/etc/rules.v4', text), silent)
    expect(rules(open)).toContain('-A INPUT -j DROP')
    const wrong = Switch.start(written('/etc/rules.v4', `${text}nonsense\n`), silent)
    await expect(wrong).rejects.toThrow('/etc/rules.v4: line 4, column 1: nonsense: ')
    await expect(open.apply(written('/x', 'nonsense\n'))).rejects.toThrow('/x: line 1, column 1: ')
    expect(rules(open)).toContain('-A INPUT -j DROP')
  })

  it('that fails for another reason leaves the rules as they were', async () => {
    open = await Switch.start(written('', table('filter', '-A INPUT -j DROP')), silent)
    const next = written('', table('filter', '-A OUTPUT -j DROP'))
    const bad = { ...configure(lab).ports.get('a'), name: 'b', type: 'tap', ifname: 'b', netns: 'bptnowhere' }
    next.ports.set('b', bad as never)
    await expect(open.apply(next)).rejects.toThrow('bptnowhere')
    expect(rules(open)).toContain('-A INPUT -j DROP')
    expect(rules(open)).not.toContain('-A OUTPUT')
  })

  it('without rules takes those of the file away', async () => {
    open = await Switch.start(written('', table('filter', ':FORWARD DROP')), silent)
    await open.apply({ ...configure(lab), rules: null })
    expect(open.saveRules()).toBe('')
  })

  it('that makes a network of what was no name compiles again', async () => {
    const fabric = await start()
    await fabric.restoreRules(table('filter', '-A FORWARD -i late -j DROP'))
    const { numbering } = fabric.rulebook
    const { rules: _, ...same } = configure(lab)
    const text = fabric.rulebook.text
    await fabric.apply({ ...same, rules: { path: '', text } })
    expect(fabric.rulebook.numbering).toBe(numbering)
    const next = configure({ ...lab, networks: { ...lab.networks, late: { mode: 'internal' } } })
    await fabric.apply({ ...next, rules: { path: '', text } })
    expect(fabric.rulebook.numbering).not.toBe(numbering)
    expect(rules(fabric)).toContain('-A FORWARD -i late -j DROP')
  })
})

describe('metrics', () => {
  it('name a rule by its comment, else by what it says; equal ones are summed', async () => {
    const fabric = await start()
    const counted = (n: number, rule: string) => `[${n}:${n * 100}] ${rule}`
    const text = table(
      'filter',
      ':INPUT ACCEPT [5:50]',
      counted(1, '-A INPUT -s 10.0.0.1/32 -m comment --comment "web \\"front\\"" -j ACCEPT'),
      counted(2, '-A INPUT -s 10.0.0.2/32 -m comment --comment "web \\"front\\"" -j ACCEPT'),
      counted(3, '-A INPUT -s 10.0.0.3/32 -j ACCEPT'),
      counted(4, '-A INPUT -s 10.0.0.3/32 -j ACCEPT'),
      counted(5, '-A OUTPUT -d 10.0.0.3/32 -m comment --comment policy -j ACCEPT'),
    )
    await fabric.restoreRules(text, { counters: true })
    const { series, packets, bytes } = fabric.rulebook.samples()
    const of = (chain: string, rule: string) => {
      const at = series.indexOf(`{table="filter",chain="${chain}",rule="${rule}"}`)
      return { packets: packets[at], bytes: bytes[at] }
    }
    expect(of('INPUT', 'web \\"front\\"')).toMatchObject({ packets: 3, bytes: 300 })
    expect(of('INPUT', 'policy')).toMatchObject({ packets: 5, bytes: 50 })
    expect(of('OUTPUT', 'policy')).toMatchObject({ packets: 0 })
    const rule = fabric.rulebook.ruleset.tables.get('filter')?.chains.get('INPUT')?.rules[3]
    expect(of('INPUT', labelOf(rule!))).toMatchObject({ packets: 7, bytes: 700 })
    expect(series.filter((labels) => labels.includes('chain="INPUT"'))).toHaveLength(3)
  })

  it('tell so many rules apart and sum the rest', async () => {
    const fabric = await start()
    const extra = 5
    const rules = Array.from(
      { length: SAMPLES + extra },
      (_, n) => `[1:10] -A FORWARD -m comment --comment "number ${n}" -j ACCEPT`,
    )
    await fabric.restoreRules(table('filter', ...rules), { counters: true })
    const { series, packets, bytes } = fabric.rulebook.samples()
    const other = series.indexOf('{table="filter",chain="other",rule="other"}')
    expect(series).toHaveLength(SAMPLES + 1)
    expect(packets.reduce((sum, count) => sum + count)).toBe(SAMPLES + extra)
    // A policy or two have labels of their own.
    expect(packets[other]).toBeGreaterThanOrEqual(extra)
    expect(bytes[other]).toBe(10 * packets[other])
  })
})

describe('checking', () => {
  it('finds what is in vain and changes nothing', async () => {
    const fabric = await start()
    const found = fabric.checkRules(
      table('filter', ':LOST -', '-A INPUT -i nobody -j DROP', '-A INPUT -j ACCEPT', '-A INPUT -j DROP'),
    )
    expect(found.map(({ line }) => line).sort()).toEqual([2, 3, 5])
    expect(fabric.checkRules(table('filter', '-A INPUT -i lab -j DROP'))).toEqual([])
    expect(() => fabric.checkRules('x\n')).toThrow('line 1, column 1: x: ')
    expect(fabric.saveRules()).toBe('')
  })
})
