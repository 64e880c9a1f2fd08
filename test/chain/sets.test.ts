/** ipset's text: what is read, what is refused where, and that the real ipset prints what we print. */
import { afterAll, describe, expect, it } from 'vitest'
import { Misread } from '../../src/chain/misread.ts'
import { restoreSets, saveSets } from '../../src/chain/sets.ts'
import { Bodies } from '../../src/control/body.ts'
import { Draft } from '../../src/control/draft.ts'
import { monotonicMs } from '../../src/control/listing.ts'
import { contents } from '../../src/control/roll.ts'
import { Arena } from '../../src/memory/arena.ts'
import { carry } from '../../src/table/change.ts'
import { cleanup } from '../lab/cleanup.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { Random } from '../lab/random.ts'

afterAll(cleanup)

/** What is there after a text, as `save` prints it. */
function saved(text: string, exist = false): string {
  const arena = Arena.create(512 * 2 ** 20)
  arena.close()
  const bodies = new Bodies(arena)
  const draft = new Draft(new Map(), bodies, monotonicMs(), () => false)
  draft.run(restoreSets(text, new Map(), exist))
  const changes = draft.seal(new Map())
  expect(carry(arena, changes, monotonicMs())).toBe(0)
  return saveSets([...draft.sets.values()].map((held) => contents(arena, held)))
}

const tens = (seconds: string) => String(Math.ceil(Number(seconds) / 10) * 10)

/** Order of hash entries aside, and seconds that pass meanwhile; a list's order is told. */
function plain(text: string): string[] {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.replace(/initval \w+/, 'initval X').replace(/(?<=^add .* timeout )\d+/, tens))
  const lists = new Set(lines.filter((line) => / list:set /.test(line)).map((line) => line.split(' ')[1]))
  const isMember = (line: string) => line.startsWith('add ') && lists.has(line.split(' ')[1])
  return [...lines.filter((line) => !isMember(line)).sort(), ...lines.filter(isMember)]
}

const EVERYTHING = `# as people write it
create a hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x01020304
create b hash:ip netmask 24 timeout 300
create c hash:net hashsize 100 maxelem 1000
create d hash:ip,port
create e hash:net,port timeout 0
create f bitmap:port range 10-100
create g list:set
create h bitmap:port range 100-0 timeout 60
-N i iphash --hashsize 5000
create j hash:ip,port netmask 16 bucketsize 3
create k hash:ip netmask 32
create l list:set size 3 timeout 40

add a 1.2.3.4
add a 10.0.0.0/30 -exist
add a 10.0.0.12-10.0.0.9
-A a 10.0.0.77
add b 1.2.3.4
add b 5.6.7.8 timeout 0
add b 5.6.9.8 timeout 2147483
add c 10.0.0.0/8
add c 10.1.0.0/16 nomatch
add c 10.9.0.1-10.9.0.6
add c 1.2.3.4
add c 0.0.0.0/1
add c 128.0.0.0-255.255.255.254
add d 1.2.3.4,80
add d 1.2.3.4,udp:53-55
add d 1.2.3.4,udp:domain-60 -!
add d 1.2.3.4,icmp:echo-request
add d 1.2.3.4,icmp:pong
add d 1.2.3.4,icmp:3/1
add d 1.2.3.4,icmp:99/7
add d 1.2.3.4,sctp:9
add d 1.2.3.4,gre:0
add d 1.2.3.4,99:0
add d 1.2.3.4,udplite:5
add d 1.2.3.0/31,tcp:2-1
add e 10.0.0.0/8,tcp:80
add e 10.1.0.0/16,80 nomatch timeout 5
add e 1.1.1.3-1.1.1.9,udp:5-6 timeout 9
add e 0.0.0.0,5
add f 10
add f 20-22
add f tcp:30
add f http
add h 5-7
add h udp:9 timeout 0
add i 7.7.7.7
add j 7.7.7.7,7
add k 7.7.7.7
add g a
add g c before a
add g d after a
add g a before c -exist
add l a
add l b timeout 0
del a 10.0.0.1
del f 21-22
del e 1.1.1.4/30,udp:5
flush i
swap a i
rename k kk
destroy kk
COMMIT
`

/** Wrong lines, after `create s hash:ip` and `create n hash:net` and `create l list:set`: line, column, word. */
const WRONG: [string, number, string][] = [
  ['nonsense', 1, 'nonsense'],
  ['create', 7, ''],
  ['create x', 9, ''],
  ['create x hash:mac', 10, 'hash:mac'],
  ['create x hash:ip family inet6', 25, 'inet6'],
  ['create x hash:ip counters', 18, 'counters'],
  ['create x hash:ip comment', 18, 'comment'],
  ['create x hash:ip skbinfo', 18, 'skbinfo'],
  ['create x hash:ip forceadd', 18, 'forceadd'],
  ['create x hash:ip bogus 3', 18, 'bogus'],
  ['create x hash:ip timeout', 18, 'timeout'],
  ['create x hash:ip timeout 2147484', 26, '2147484'],
  ['create x hash:ip maxelem 4294967296', 26, '4294967296'],
  ['create x hash:ip netmask 33', 26, '33'],
  ['create x hash:net netmask 24', 19, 'netmask'],
  ['create x bitmap:port', 21, ''],
  ['create x bitmap:port range 1-70000', 28, '1-70000'],
  ['create s hash:ip', 8, 's'],
  ['create -! s hash:net', 11, 's'],
  ['create averyveryverylongsetnamethatisxx hash:ip', 8, 'averyveryverylongsetnamethatisxx'],
  ['add t 1.1.1.1', 5, 't'],
  ['add s', 6, ''],
  ['add s 0.0.0.0', 7, '0.0.0.0'],
  ['add s 1.1.1.1/0', 7, '1.1.1.1/0'],
  ['add s 1.1.1.1/33', 7, '1.1.1.1/33'],
  ['add s 1.1.1.256', 7, '1.1.1.256'],
  ['add s 01.2.3.4', 7, '01.2.3.4'],
  ['add s 1.2.3', 7, '1.2.3'],
  ['del -! s 0.0.0.1-255.0.0.0', 10, '0.0.0.1-255.0.0.0'],
  ['add s example.com', 7, 'example.com'],
  ['add s ::1', 7, '::1'],
  ['add s 1.1.1.1,80', 7, '1.1.1.1,80'],
  ['add s 1.1.1.1 timeout 3', 15, 'timeout'],
  ['add s 1.1.1.1 nomatch', 15, 'nomatch'],
  ['add s 1.1.1.1 comment "x y"', 15, 'comment'],
  ['add s 1.1.1.1 "', 15, '"'],
  ['add n 0.0.0.0/0', 7, '0.0.0.0/0'],
  ['add n 0.0.0.0-255.255.255.255', 7, '0.0.0.0-255.255.255.255'],
  ['add p 1.1.1.1', 7, '1.1.1.1'],
  ['add p 1.1.1.1,gre:1', 7, '1.1.1.1,gre:1'],
  ['add p 1.1.1.1,tcp', 7, '1.1.1.1,tcp'],
  ['add p 1.1.1.1,tcp:70000', 7, '1.1.1.1,tcp:70000'],
  ['add p 1.1.1.1,icmp:any', 7, '1.1.1.1,icmp:any'],
  ['add p 1.1.1.1,icmp:300/0', 7, '1.1.1.1,icmp:300/0'],
  ['add p 1.1.1.1,ipv6-icmp:1/1', 7, '1.1.1.1,ipv6-icmp:1/1'],
  ['add p 1.1.1.1,all:0', 7, '1.1.1.1,all:0'],
  ['add p 1.1.1.1,5,6', 7, '1.1.1.1,5,6'],
  ['add p 0.0.0.0,5', 7, '0.0.0.0,5'],
  ['add b 9', 7, '9'],
  ['add b 95-105', 7, '95-105'],
  ['add b sctp:20', 7, 'sctp:20'],
  ['add l nobody', 7, 'nobody'],
  ['add l l', 7, 'l'],
  ['add l n before p', 7, 'n'],
  ['add l s', 7, 's'],
  ['add s 9.9.9.9', 7, '9.9.9.9'],
  ['del s 8.8.8.8', 7, '8.8.8.8'],
  ['add small 1.1.1.0/29', 11, '1.1.1.0/29'],
  ['destroy t', 9, 't'],
  ['destroy m', 9, 'm'],
  ['flush s t', 9, 't'],
  ['swap s t', 8, 't'],
  ['swap s n', 8, 'n'],
  ['swap s', 7, ''],
  ['rename s n', 10, 'n'],
  ['rename m x', 8, 'm'],
]
const BEFORE = `create s hash:ip
create n hash:net
create p hash:ip,port
create b bitmap:port range 10-100
create small hash:ip maxelem 4
create m hash:ip
create l list:set
add l m
add s 9.9.9.9
add l s
`

describe('text', () => {
  it('what was saved is saved again as it is', () => {
    const text = saved(EVERYTHING)
    expect(plain(saved(text))).toEqual(plain(text))
    expect(saved('')).toBe('')
  })

  it.each(WRONG)('%s: refused at column %i', (line, column, word) => {
    let error: unknown
    try {
      saved(`${BEFORE}\n# one more\n\t${line}\n`)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(Misread)
    const { line: where, column: at, word: which, message } = error as Misread
    expect([where, at - 1, which]).toEqual([13, column, word])
    expect(message).toMatch(/^line 13, column \d+: .*: .*; .*$/)
  })

  it('-! and -exist forgive what is there already and what is not there', () => {
    const lines = 'create s hash:ip\nadd s 9.9.9.9\ndel s 8.8.8.8\nadd l s\nadd l s\n'
    expect(saved(`${BEFORE}${lines}`, true)).toContain('add s 9.9.9.9\n')
    expect(() => saved(`${BEFORE}${lines}`)).toThrow('line 11, column 8: s: there is a set of that name')
    expect(() => saved(`${BEFORE}create -exist s hash:ip timeout 5\n`)).toThrow('made otherwise')
  })

  it('flush and destroy without a name mean all', () => {
    expect(saved(`${BEFORE}destroy\n`)).toBe('')
    expect(saved(`${BEFORE}flush\n`)).not.toContain('add ')
  })

  it('noise is refused, and never anything else', () => {
    const random = new Random(Number(process.env.SEED ?? 7))
    const lines = [...BEFORE.split('\n'), ...EVERYTHING.split('\n')]
    const words = lines.flatMap((line) => line.split(' '))
    for (let i = 0; i < 3000; i++) {
      const noise = Array.from({ length: 1 + random.below(6) }, () => random.of(words)).join(
        random.of([' ', '  ', ',']),
      )
      const cut = random.once(4) ? Buffer.from(random.bytes(40)).toString('latin1') : noise
      try {
        restoreSets(`${BEFORE}${cut}\n`)
      } catch (error) {
        if (!(error instanceof Misread)) throw error
      }
    }
  })
})

suite('ipset itself', ['ipset'], () => {
  const namespace = () => new Namespace('set')
  const real = async (text: string, where = namespace()) => {
    await where.exec(['ipset', 'restore'], { input: text })
    return await where.exec(['ipset', 'save'])
  }

  it('prints what we print, of its own text and of ours', async () => {
    const witness = await real(EVERYTHING)
    expect(plain(saved(EVERYTHING))).toEqual(plain(witness))
    expect(plain(saved(witness))).toEqual(plain(witness))
    expect(plain(await real(saved(EVERYTHING)))).toEqual(plain(witness))
  })

  it('names protocols and ICMP as we do', async () => {
    const lines = ['create s hash:ip,port', 'create i hash:ip,port']
    for (let protocol = 1; protocol < 256; protocol++)
      if (protocol !== 1 && protocol !== 58) lines.push(`add s 1.1.1.1,${protocol}:0`)
    for (let type = 0; type < 20; type++)
      for (let code = 0; code < 17; code++) lines.push(`add i 1.1.1.1,icmp:${type}/${code}`)
    const text = `${lines.join('\n')}\n`
    expect(plain(saved(text))).toEqual(plain((await real(text)).replace(/hashsize \d+/g, 'hashsize 1024')))
  })

  it('cuts ranges into the same networks', async () => {
    const random = new Random(Number(process.env.SEED ?? 3))
    const lines = ['create s hash:net -!']
    for (let i = 0; i < 60; i++) {
      const from = random.word()
      const to = Math.min(2 ** 32 - 1, from + random.below(2 ** random.below(31)))
      const text = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.')
      if (to - from < 2 ** 32 - 1) lines.push(`add s ${text(from)}-${text(to)} -exist`)
    }
    const text = `${lines.join('\n')}\n`
    expect(plain(saved(text))).toEqual(plain((await real(text)).replace(/hashsize \d+/g, 'hashsize 1024')))
  })

  it('refuses what we refuse', async () => {
    const where = namespace()
    for (const [line] of WRONG) {
      // Here alone: what ipset does and we do not, and names of hosts, which it looks up.
      if (
        /counters|comment|skbinfo|forceadd|inet6|hash:mac|example|01.2|1.2.3$|"$|0.0.0.1-|sctp:20|::1/.test(
          line,
        )
      )
        continue
      for (const verb of ['flush', 'destroy']) await where.exec(['ipset', verb])
      const { status } = await where.attempt(['ipset', 'restore'], { input: `${BEFORE}${line}\n` })
      expect(status, line).not.toBe(0)
    }
  })
})
