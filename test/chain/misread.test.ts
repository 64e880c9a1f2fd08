/** Texts that are refused: each with the line, the column and the word, at once, and nothing of them is kept. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { check } from '../../src/chain/check.ts'
import { Misread, restore } from '../../src/chain/restore.ts'
import { save } from '../../src/chain/save.ts'

/** What is said of a text. */
function misread(text: string, sets: (name: string) => string | null = () => null): Misread {
  try {
    check(restore(text), sets)
  } catch (error) {
    if (error instanceof Misread) return error
    throw error
  }
  throw new Error('nothing was refused')
}

const filter = (...lines: string[]) => ['*filter', ':a - [0:0]', ...lines, 'COMMIT', ''].join('\n')

/** The line stands third; the word that is refused is marked by guillemets. */
const wrong: [line: string, why: string][] = [
  ['-A INPUT -p tcp --dport «70000» -j ACCEPT', 'is no port from 0 to 65535'],
  ['-A INPUT -p tcp --dport=«70000» -j ACCEPT', 'is no port from 0 to 65535'],
  ['-A INPUT -p tcp «--dprot» 80', 'is no option that is known here'],
  ['-A INPUT «--dport» 80', 'is no option that is known here'],
  ['-A INPUT -m «conntrak» --ctstate NEW', 'is no match that is known here'],
  ['-A INPUT -m conntrack --ctstate «NWE»', "is no list of a connection's state"],
  ['-A INPUT -j «REJET»', 'is neither a chain of this table nor a target that is known here'],
  ['-A INPUT -j «b»', 'is neither a chain of this table nor a target'],
  ['-A INPUT -g «REJECT»', 'is no chain of this table'],
  ['-A INPUT -j «FORWARD»', 'is a base chain'],
  ['-A «INPTU» -j ACCEPT', 'is no chain of table filter'],
  ['-A «PREROUTING» -j ACCEPT', 'is no chain of table filter'],
  ['-A «"IN PUT"» -j ACCEPT', 'is no chain of table filter'],
  ['-A INPUT -s «10.0.0.256» -j ACCEPT', 'is no IPv4 address'],
  ['-A INPUT -s «www.example.net» -j ACCEPT', 'names of hosts are not looked up'],
  ['-A INPUT -s «10.0.0.0/33»', 'has a prefix longer than 32 bits'],
  ['-A INPUT -s «10.0.0.0/255»', 'has a prefix longer than 32 bits'],
  ['-A INPUT -s «fe80::1»', 'is no IPv4 address'],
  ['-A INPUT -s 10.0.0.1 «-s» 10.0.0.2', '-s is said twice'],
  ['-A INPUT «!» -j ACCEPT', '-j cannot be inverted'],
  ['-A INPUT -p tcp --dport «!» 80', 'is no port'],
  ['-A INPUT -p tcp --tcp-flags SYN,«»', 'lacks a value'],
  ['-A INPUT -p tcp --tcp-flags SYN «FOO»', 'is no list of FIN, SYN'],
  ['-A INPUT -p «foo»', 'is no protocol'],
  ['-A INPUT -m «tcp» --dport 80', 'needs -p tcp'],
  ['-A INPUT ! -p tcp -m «multiport» --dports 80', 'needs -p tcp or -p udp'],
  ['-A INPUT -j REJECT --reject-with «tcp»', 'needs -p tcp'],
  ['-A INPUT -p udp -j «REJECT» --reject-with tcp-reset', 'needs -p tcp'],
  ['-A INPUT -j REJECT --reject-with «icmp-foo»', 'is none of icmp-net-unreachable'],
  ['-A INPUT «-o» eth0', 'means nothing in INPUT'],
  ['-A OUTPUT «-i» eth0', 'means nothing in OUTPUT'],
  ['-A INPUT -j ACCEPT «stray»', 'stands where an option should'],
  ['-A INPUT -m comment --comment two «words»', 'stands where an option should'],
  ['-A INPUT -m comment --comment «"»open', 'is a quote that nothing closes'],
  ['-A INPUT -j LOG -j «DROP»', 'is a second target'],
  ['-A INPUT -p udp -j LOG «--nflog-group» 3', 'is no option that is known here'],
  ['-A INPUT -m conntrack «--ctorig» 10.0.0.1', 'may mean --ctorigsrc or'],
  ['-A INPUT -m «conntrack»', 'asks nothing'],
  ['-A INPUT -j ACCEPT -m«»', 'is no option'],
  ['-A INPUT -m mark --mark «0x1ffffffff»', 'is not a number'],
  ['-A INPUT -m mac --mac-source «02:00:00:00:00»', 'is no MAC address'],
  ['-I INPUT «3» -j ACCEPT', 'chain INPUT has 0 rules so far'],
  ['-D INPUT «1»', 'chain INPUT has 0 rules so far'],
  ['«-D» INPUT -j DROP', 'chain INPUT has no such rule'],
  ['«-C» INPUT -j DROP', 'is a command, but none that says which rules there shall be'],
  ['«-L»', 'is a command'],
  ['«-Q» INPUT', 'begins no line of iptables-save'],
  ['«iptables» -A INPUT -j DROP', 'begins no line of iptables-save'],
  ['-P INPUT «REJECT»', 'is no policy'],
  ['-P «a» DROP', 'is a user chain'],
  ['-X «INPUT»', 'is a base chain'],
  [':b «ACCEPT» [0:0]', 'stands behind b, which is no base chain'],
  [':INPUT «REJECT» [0:0]', 'is no policy'],
  [':INPUT ACCEPT «[0]»', 'is no pair of counters'],
  [':INPUT ACCEPT [0:0] «more»', 'is one word too many'],
  [':«a» - [0:0]', 'is a chain already'],
  [':«RETURN» - [0:0]', 'is the name of a target'],
  [':«-b» - [0:0]', 'begins with -'],
  [`:«${'c'.repeat(29)}» - [0:0]`, 'is longer than 28 bytes'],
  [`:«${'ä'.repeat(15)}» - [0:0]`, 'is longer than 28 bytes'],
  ['«[1:2»] -A INPUT', 'begins no line'],
  ['«*nat»', 'table filter has no end yet'],
  ['COMMIT «now»', 'is one word too many'],
]

describe('a wrong line', () => {
  it.each(
    wrong.filter(([line]) => !line.includes('«»') && !line.includes('"»open') && !line.includes('2»]')),
  )('%s', (marked, why) => {
    const line = marked.replace(/[«»]/g, '')
    const word = /«(.*)»/.exec(marked)?.[1] ?? ''
    const found = misread(filter(line))
    // The name that needs another protocol is said, not its option's value.
    if (!line.endsWith('--reject-with tcp')) {
      expect([found.line, found.column, found.word]).toEqual([
        3,
        marked.indexOf('«') + 1,
        word.replace(/"/g, ''),
      ])
    }
    expect(found.why).toContain(why)
    expect(found.remedy).not.toBe('')
    expect(found.message).toBe(`line 3, column ${found.column}: ${found.word}: ${found.why}; ${found.remedy}`)
  })
  it('that is cut off is refused at its end', () => {
    for (const line of [
      '-A',
      '-A INPUT -j',
      '-A INPUT !',
      '-A INPUT -s',
      '-A INPUT -p tcp --tcp-flags SYN',
      ':INPUT',
    ]) {
      const found = misread(filter(line))
      expect([found.line, found.column, found.word], line).toEqual([3, line.length + 1, ''])
      expect(found.message).toContain(`line 3, column ${line.length + 1}: end of line: `)
    }
    expect(misread(filter('-A INPUT -m comment --comment "open')).column).toBe(31)
    expect(misread(filter('-A INPUT -i ""')).message).toMatch(/^line 3, column 13: "": is an empty name; /)
  })
  it('is told on one line of a terminal, whatever stands in it', () => {
    const word = `\u001b[31m${'x'.repeat(1000)}\u0000\u2028\ud800`
    for (const line of [
      '-A INPUT -s',
      '-A INPUT -j',
      '-A INPUT -g',
      '-A INPUT -m',
      '-A INPUT -p',
      '-A INPUT',
      '-A',
      '-N',
      '-P',
    ]) {
      const { message } = misread(filter(`${line} ${word}`))
      expect(message.length, line).toBeLessThan(800)
      expect(message, line).not.toMatch(/[\p{C}\u2028]/u)
    }
    expect(misread(filter(`:${word} DROP`)).message).toContain('which is no base chain of filter')
  })
})

describe('a wrong text', () => {
  it('without COMMIT', () => {
    const found = misread('*filter\n-A INPUT -j ACCEPT\n')
    expect(found.message).toBe(
      'line 3, column 1: end of line: table filter of line 1 has no end; end it with COMMIT',
    )
  })
  it('with rules in no table', () => {
    expect(misread('# so\n-A INPUT -j ACCEPT\n').message).toMatch(
      /^line 2, column 1: -A: stands in no table; /,
    )
    expect(misread('*filter\nCOMMIT\n:INPUT DROP\n').message).toMatch(
      /^line 3, column 1: :INPUT: stands in no table; /,
    )
    expect(misread('COMMIT\n').why).toBe('ends no table')
  })
  it('with a table that there is not', () => {
    expect(misread('*security\nCOMMIT\n').message).toBe(
      'line 1, column 1: *security: is no table that is known here; known are *raw, *mangle, *nat, *filter',
    )
  })
  it('whose chains lead in a circle', () => {
    const found = misread(
      filter(':b - [0:0]', '-A INPUT -j a', '-A a -j RETURN', '-A a -s 1.1.1.1 -g b', '-A b -j a'),
    )
    expect([found.line, found.column, found.word]).toEqual([7, 9, 'a'])
    expect(found.why).toBe('leads back to where the packet came from: a → b → a')
    expect(misread(filter('-A a -j a')).why).toContain('a → a')
  })
  it('whose chains are nested too deep', () => {
    const nested = (count: number) =>
      filter(
        ...[...Array(count).keys()].map((i) => `:c${i} -`),
        ...[...Array(count - 1).keys()].map((i) => `-A c${i} -j c${i + 1}`),
      )
    expect(() => check(restore(nested(201)), () => null)).not.toThrow()
    expect(misread(nested(202)).why).toBe('leads through more than 200 chains, one in the other')
    expect(misread(nested(20_000)).why).toContain('200')
  })
  it('that asks a packet too many rules', () => {
    const doubled = [...Array(22).keys()].map((i) => [`-A c${i} -j c${i + 1}`, `-A c${i} -j c${i + 1}`])
    const found = misread(filter(...[...Array(23).keys()].map((i) => `:c${i} -`), ...doubled.flat()))
    expect(found.why).toMatch(/asks a packet up to \d+ rules, more than 2000000/)
  })
  it('with more rules than can be counted', () => {
    const rules = Array(131_072).fill('-A a -s 1.2.3.4')
    expect(misread(filter(rules.join('\n'))).why).toContain('131075')
  })
  it('whose lists of addresses say more rules than that', () => {
    const list = Array(600).fill('1.2.3.4').join(',')
    const found = misread(filter(`-A INPUT -s ${list} -d ${list} -j DROP`))
    expect([found.line, found.why]).toEqual([3, 'says 360000 rules'])
    const half = Array(300).fill('1.2.3.4').join(',')
    const line = `-A INPUT -s ${half} -d ${half} -j DROP`
    expect(misread(filter(line, line.replace('INPUT', 'a'))).line).toBe(4)
  })
  it('that uses things where they are not at home', () => {
    const mangle = '*mangle\n:a -\n-A PREROUTING -j a\n-A a -s 1.1.1.1 -j REJECT\nCOMMIT\n'
    expect(misread(mangle).message).toMatch(/^line 4, column 20: REJECT: does not work in table mangle; /)
    const found = misread(filter('-A INPUT -j a', '-A OUTPUT -j a', '-A a -m mac --mac-source 2:0:0:0:0:1'))
    expect(found.message).toMatch(
      /^line 5, column 9: mac: does not work in OUTPUT, which leads here; use it in PREROUTING/,
    )
    expect(misread(filter('-A INPUT -j TRACE')).why).toBe('does not work in table filter')
  })
  it('with a set that there is not', () => {
    const text = filter('-A INPUT -m set --match-set good src', '-A INPUT -m set --match-set bad src -j DROP')
    const found = misread(text, (name) => (name === 'good' ? 'hash:ip' : null))
    expect([found.line, found.word, found.why]).toEqual([4, 'bad', 'is no set'])
  })
  it('names the first of several mistakes by its line', () => {
    expect(misread(filter('-A INPUT -j TRACE', '-A a -j TRACE')).line).toBe(3)
    expect(misread(filter('-A a -j TRACE', '-A INPUT -j TRACE')).line).toBe(3)
  })
})

describe('a hundred thousand rules', () => {
  it('are read, checked and printed as they were written', () => {
    const rules = Array.from(
      { length: 100_000 },
      (_, i) =>
        `-A a -s 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32 -p tcp -m tcp --dport ${i % 60_000} -j ACCEPT`,
    )
    const text = `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n${rules.join('\n')}\nCOMMIT\n`
    const ruleset = restore(text)
    check(ruleset, () => null)
    expect(save(ruleset, () => [0, 0], false) === text).toBe(true)
  })
})

describe('noise', () => {
  it('of a megabyte is refused by its first line', () => {
    const random = Buffer.from(
      Array.from({ length: 2 ** 20 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 13) & 255),
    )
    for (const text of [
      random.toString('latin1'),
      random.toString('utf8'),
      'x'.repeat(2 ** 20),
      '"'.repeat(2 ** 20),
    ]) {
      expect(misread(text).line).toBe(1)
      expect(misread(`*filter\n-A INPUT ${text}`).line).toBe(2)
    }
    expect(misread(filter(`-A INPUT -s ${'1,'.repeat(2 ** 19)}`)).why).toBe('is longer than 10240 characters')
  })
  it('never does anything but be refused', () => {
    const word = fc.constantFrom(
      ...'-A -I INPUT a -j -g -m -s -p -i ! tcp udp ACCEPT " "a b" 80 1.1.1.1 --dport --syn multiport *filter : COMMIT [1:2] conntrack'.split(
        ' ',
      ),
    )
    const line = fc.oneof(
      fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
      fc.string(),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        try {
          check(restore(filter(...lines)), () => null)
        } catch (error) {
          expect(error).toBeInstanceOf(Misread)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
