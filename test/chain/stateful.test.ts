/** Options of the matches with a memory, and of string, u32 and time: read and printed as iptables-legacy of this machine does, or refused with it. */
import { describe, expect, it } from 'vitest'
import { restore } from '../../src/chain/restore.ts'
import { print } from '../../src/chain/save.ts'
import { Legacy } from '../lab/legacy.ts'
import { suite } from '../lab/peer.ts'

const bytes = (mode: string) => `--connbytes-dir both --connbytes-mode ${mode}`
const named = (options: string) => `hashlimit ${options} --hashlimit-name n`

const taken = [
  ...[
    '',
    '1000',
    '10/minute',
    '10/MIN',
    '7/hour',
    '10/day',
    '10000/s',
    '17/min',
    '59/hour',
    '24/day',
    '60/h',
  ].map((rate) => `limit${rate && ` --limit ${rate}`}`),
  ...[
    '1/day --limit-burst 1',
    '1/h --limit-burst 119',
    '7/hour --limit-burst 100',
    '3/s --limit-burst 5',
  ].map((rate) => `limit --limit ${rate}`),
  ...['1000', '0x10', '010', '18446744073709551615'].flatMap((n) => [
    `quota --quota ${n}`,
    `quota ! --quota ${n}`,
  ]),
  ...['0.5', '1', '0', '.0000000001', '0.33'].map((n) => `statistic --mode random --probability ${n}`),
  'statistic --mode random ! --probability 0.33',
  'statistic --mode nth --every 3 --packet 0',
  'statistic --mode nth ! --every 3 --packet 2',
  ...['10:20', '10:', '10', ':20', '0:0', '0:18446744073709551615'].flatMap((range) => [
    `connbytes --connbytes ${range} ${bytes('packets')}`,
    `connbytes ! --connbytes ${range} ${bytes('avgpkt')}`,
  ]),
  'connbytes ! --connbytes 5:5 --connbytes-dir reply --connbytes-mode bytes',
  'time',
  ...[
    '--timestart 01:02',
    '--timestart 1:2:3 --timestop 4:5',
    '--timestart 00:00 --timestop 23:59:59',
    '--utc',
  ].map((options) => `time ${options}`),
  'time --timestart 01:02:03 --timestop 04:05:06 --monthdays 1,2,5 --weekdays Mon,Fri,Sun --datestart 2001-02-03T04:05:06 --kerneltz',
  'time --timestart 02:00:00 --timestop 01:00:00 --contiguous --datestop 2012-09-08T09:06:05',
  ...['Mo,2,Sunday', '6,7', '1'].flatMap((days) => [`time --weekdays ${days}`, `time ! --weekdays ${days}`]),
  'time ! --monthdays 31',
  ...['2020', '2020-2', '2020-02-30', '2038-01-19T03:14:07'].flatMap((date) => [
    `time --datestart ${date}`,
    `time --datestop ${date}`,
  ]),
  ...['above', 'upto'].flatMap((sense) => [
    `connlimit --connlimit-${sense} 3`,
    `connlimit ! --connlimit-${sense} 3`,
  ]),
  ...['8 --connlimit-saddr', '0', '255.255.0.0 --connlimit-daddr'].map(
    (mask) => `connlimit --connlimit-above 4294967295 --connlimit-mask ${mask}`,
  ),
  ...[
    '--set',
    '! --set --name x',
    '! --rcheck',
    '--remove --name x',
    '--update --hitcount 0',
    '--set --name .a',
  ].map((options) => `recent ${options}`),
  'recent --rcheck --seconds 60 --hitcount 4 --name ssh --rsource',
  'recent --rcheck --hitcount 65535 --name ssh2 --rttl',
  'recent --update --seconds 1 --reap --name x --rdest --mask 255.255.255.0',
  'recent ! --update --seconds 2147483647 --mask 0.0.255.0',
  ...['hello', '"a b"', `"a\\"b'c\\\\d"`, '"end\\\\"', 'täst', 'a'.repeat(128)].flatMap((text) => [
    `string --algo bm --string ${text}`,
    `string --algo kmp ! --string ${text} --from 10 --to 1000 --icase`,
  ]),
  ...[
    '|00 01 ff|abc',
    '|0001ff|',
    'GET|20|/',
    '\\\\|a',
    '| 00|x',
    '|00|01|',
    'a|41|b|42|',
    '|41||42|',
    'x|',
  ].map((text) => `string --algo bm --hex-string "${text}"`),
  ...['|41|\\\\|42|x', '|41 |', '|41 42 |x', '\\\\|\\\\\\\\x'].map(
    (text) => `string --algo bm --hex-string "${text}"`,
  ),
  'string --algo bm --string x --from 65535',
  ...[
    '0=0',
    '0>>28=4&&8&0xFF0000>>16=6,17',
    '0>>22&0x3C@0>>24=0:3,0x10',
    '0=4294967295',
    '0=5:3',
    '0<<1=010',
  ].flatMap((tests) => [`u32 --u32 "${tests}"`, `u32 ! --u32 "${tests}"`]),
  'u32 --u32 " 4 & 0x3FFF = 0 && 0 >> 22 & 0x3C @ 0 >> 16 = 1 : 2 , 5"',
  `u32 --u32 "${Array(10).fill('0=1').join('&&')}"`,
  ...[
    '--hashlimit-above 10/sec',
    '--hashlimit 10/min --hashlimit-mode srcip',
    '--hashlimit-above 1000000/s',
  ].map(named),
  named('--hashlimit-upto 60/min --hashlimit-mode dstport,srcip|srcport'),
  named('! --hashlimit-upto 7/hour --hashlimit-mode dstip --hashlimit-burst 20'),
  named('! --hashlimit-above 1/day --hashlimit-burst 1 --hashlimit-mode srcip,srcport,dstip,dstport'),
  ...['512k', '1m', '1000', '16', '4096m', '5000m', '12345k'].map((n) => named(`--hashlimit-upto ${n}b/s`)),
  ...['2mb', '3m', '2500kb'].map((n) => named(`--hashlimit-upto 1mb/s --hashlimit-burst ${n}`)),
  named('--hashlimit-upto 15kb/s --hashlimit-burst 100kb'),
  ...['1000000', '10k'].map((n) => named(`--hashlimit-upto 5/s --hashlimit-burst ${n}`)),
  named(
    '--hashlimit-upto 5/s --hashlimit-htable-size 10 --hashlimit-htable-max 20 --hashlimit-htable-gcinterval 100',
  ),
  named('--hashlimit-upto 5/s --hashlimit-htable-expire 500'),
  named('--hashlimit-upto 5/s --hashlimit-htable-size 2000000 --hashlimit-htable-max 2000000'),
  named('--hashlimit-upto 5/min --hashlimit-srcmask 24 --hashlimit-dstmask 255.255.0.0'),
  'hashlimit --hashlimit-upto 5/min --hashlimit-rate-match --hashlimit-name r',
  'hashlimit --hashlimit-above 50kb/s --hashlimit-rate-match --hashlimit-rate-interval 10 --hashlimit-name s',
]

/** Each with what is said of it. */
const refused: [string, string][] = [
  ['limit --limit 1/day', 'lower --limit-burst'],
  ['limit --limit 1/h --limit-burst 120', 'overflows'],
  ['limit --limit 10001/s', 'too fast: at most 10000/sec'],
  ['limit --limit 0/s', 'a rate of nothing'],
  ['limit --limit 3/week', 'second, minute, hour or day'],
  ['limit --limit-burst 0', 'from 1 to 10000'],
  ['quota', 'needs --quota'],
  ['quota --quota 18446744073709551616', '64 bits'],
  ['quota --quota -1', 'not a number'],
  ['statistic --mode random --probability 1.1', 'from 0 to 1'],
  ['statistic --mode random', '--probability'],
  ['statistic --mode nth --every 3', '--packet'],
  ['statistic --mode nth --every 3 --packet 3', 'less than --every'],
  ['statistic --mode nth --every 0 --packet 0', 'from 1'],
  ['statistic --mode other', 'random or nth'],
  ['statistic --mode random --probability 0.1 --every 1 --packet 0', 'mean nothing'],
  [`connbytes --connbytes 20:10 ${bytes('packets')}`, 'ends before it begins'],
  [`connbytes --connbytes 1:2:3 ${bytes('packets')}`, 'more than two'],
  [`connbytes --connbytes 1:2 ${bytes('many')}`, 'packets, bytes, avgpkt'],
  ['connbytes --connbytes 1:2 --connbytes-dir both', 'needs'],
  ['time --timestart 01:00 --timestop 02:00 --contiguous', '--contiguous'],
  ['time --monthdays 32', 'no day from 1 to 31'],
  ['time --weekdays 0', 'no weekday'],
  ['time --weekdays Xy', 'no weekday'],
  ['time --datestart 2020-13', 'does not exist'],
  ['time --datestart 1969', 'between 1970'],
  ['time --datestart 2020-01-01T24', 'does not exist'],
  ['time --timestart 24:00', 'hh:mm'],
  ['time --utc --kerneltz', '--utc'],
  ['connlimit', '--connlimit-upto or --connlimit-above'],
  ['connlimit --connlimit-above 3 --connlimit-saddr --connlimit-daddr', 'source or destination'],
  ['connlimit --connlimit-above 3 --connlimit-upto 4', 'cannot stand'],
  ['recent --name x', '--set, --rcheck, --update, --remove'],
  ['recent --set --rcheck', 'cannot stand'],
  ['recent --set --hitcount 3', '--rcheck and --update only'],
  ['recent --update --reap', 'needs --seconds'],
  ['recent --rcheck --hitcount 65536', 'to 65535'],
  ['recent --set --name a/b', 'is no name'],
  ['string --string x', '--algo'],
  ['string --algo bm', '--string or --hex-string'],
  ['string --algo xx --string x', 'bm or kmp'],
  ['string --algo bm --string ""', 'is empty'],
  [`string --algo bm --string ${'a'.repeat(129)}`, '128 bytes'],
  ['string --algo bm --string x --from 10 --to 5', 'behind where it ends'],
  ['string --algo bm --string x --hex-string "|00|"', 'cannot stand'],
  ...['|0|', '|00', '|0g|', '||', '|00  01|', 'a||b'].map((text): [string, string] => [
    `string --algo bm --hex-string "${text}"`,
    'hex digits',
  ]),
  ['u32 --u32 ""', 'no number'],
  ['u32 --u32 "0"', 'no operator'],
  ['u32 --u32 "0=1&2=3"', 'no &&'],
  ['u32 --u32 "0<1=1"', 'no operator'],
  ['u32 --u32 "0=1,"', 'no number of 32 bits at character 5'],
  ['u32 --u32 "4294967296=1"', 'no number'],
  ['u32 --u32 "0&1&2&3&4&5&6&7&8&9&10=1"', 'more than 10'],
  ['u32 --u32 "0=1,2,3,4,5,6,7,8,9,10,11"', 'more than 10'],
  [`u32 --u32 "${Array(11).fill('0=1').join('&&')}"`, 'more than 10'],
  ['hashlimit --hashlimit-upto 5/min', '--hashlimit-name'],
  ['hashlimit --hashlimit-name x', 'upto or'],
  [named('--hashlimit-upto 5/min --hashlimit-above 5/min'), 'cannot stand'],
  [named('--hashlimit-above 1/day'), 'overflows'],
  [named('--hashlimit-above 1000001/s'), 'too fast'],
  [named('--hashlimit-upto 0b/s'), 'too slow'],
  [named('--hashlimit-upto 40000mb/s'), 'too fast'],
  [named('--hashlimit-upto 1mb/s --hashlimit-burst 2'), "less than a second's"],
  [named('--hashlimit-upto 5/s --hashlimit-burst 1000001'), '1000000'],
  [named('--hashlimit-upto 5/s --hashlimit-htable-gcinterval 0'), 'from 1'],
  [named('--hashlimit-upto 5/s --hashlimit-mode none'), 'srcip, srcport, dstip, dstport'],
  [named('--hashlimit-upto 5/s --hashlimit-srcmask 33'), 'prefix'],
]

/** Taken by iptables, which cannot read again what it prints of them, or reads something else. */
const stricter: [string, string][] = [
  [named('--hashlimit-upto 15b/s'), 'at least 16b/s'],
  ['recent --rcheck --seconds 4294967295', 'to 2147483647'],
  ['connlimit --connlimit-above 3 --connlimit-mask 33', 'prefix'],
]

function parse(rule: string): string {
  const text = `*filter\n-A FORWARD -m ${rule}\nCOMMIT\n`
  const chain = restore(text).tables.get('filter')?.chains.get('FORWARD')
  return chain ? print('FORWARD', chain.rules[0]) : ''
}

function reprint(legacy: Legacy, rule: string): string {
  const said = legacy.restore('filter', [`-A FORWARD -m ${rule}`])
  return said || legacy.save('filter')[0]
}

describe('what is wrong is refused', () => {
  it.each([...refused, ...stricter])('%s', (rule, words) => {
    expect(() => parse(rule)).toThrow(words)
  })
})

suite('iptables-legacy', ['iptables-legacy'], () => {
  it('prints what we print', () => {
    const legacy = new Legacy()
    const rows = taken.map((rule) => [rule, reprint(legacy, rule)])
    expect(taken.map((rule) => [rule, parse(rule)])).toEqual(rows)
  })
  it('refuses what we refuse', () => {
    const legacy = new Legacy()
    const right = refused.filter(([rule]) => legacy.restore('filter', [`-A FORWARD -m ${rule}`]) === '')
    expect(right.map(([rule]) => rule)).toEqual([])
  })
  it('reads again what we print', () => {
    const printed = taken.map((rule) => parse(rule))
    const again = printed.map((line) => parse(line.replace('-A FORWARD -m ', '')))
    const lost = (line: string) => / --connbytes 0 | ! --connbytes 5 /.test(line)
    expect(again.filter((line) => !lost(line))).toEqual(printed.filter((line) => !lost(line)))
  })
})
