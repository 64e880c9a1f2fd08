/** A search compares numbers where they lie; what it finds is what a plain look at every row finds. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { contains, ipv4, ipv4Text } from '../../src/control/address.ts'
import { type FlowRow, rows } from '../../src/control/flows.ts'
import { stateNames } from '../../src/gateway/transition.ts'
import { Crowd, POOLS } from '../lab/crowd.ts'

const { source } = new Crowd(1000).gather(600, 7)
const all = rows(source)

type Plain = (row: FlowRow) => boolean

/** The four ends of a connection, as a row shows them. */
function ends({ original, reply }: FlowRow): { address: string; port: number | undefined }[] {
  return [original, reply].flatMap((way) => [
    { address: way.source, port: way.sourcePort },
    { address: way.destination, port: way.destinationPort },
  ])
}

const address = fc.constantFrom(...POOLS.hosts, ...POOLS.outside, 0x01020304)
const port = fc.constantFrom(...POOLS.ports, 1)
const word: fc.Arbitrary<[string, Plain]> = fc.oneof(
  address.map((value): [string, Plain] => [
    ipv4Text(value),
    (row) => ends(row).some((end) => end.address === ipv4Text(value)),
  ]),
  fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([value, prefix]): [string, Plain] => {
    const text = `${ipv4Text(value)}/${prefix}`
    const isIn = (each: string) => contains({ text, address: value, prefix }, ipv4(each) ?? 0)
    return [text, (row) => ends(row).some((end) => isIn(end.address))]
  }),
  fc
    .tuple(port, fc.boolean())
    .map(([value, colon]): [string, Plain] => [
      `${colon ? ':' : ''}${value}`,
      (row) => ends(row).some((end) => end.port === value),
    ]),
  fc
    .tuple(address, port)
    .map(([value, number]): [string, Plain] => [
      `${ipv4Text(value)}:${number}`,
      (row) => ends(row).some((end) => end.address === ipv4Text(value) && end.port === number),
    ]),
  fc
    .constantFrom('tcp', 'UDP', 'icmp', 'gre', 'Sctp', 'unknown')
    .map((name): [string, Plain] => [name, (row) => row.protocol === name.toLowerCase()]),
  fc
    .tuple(fc.constantFrom(...stateNames), fc.boolean())
    .map(([name, small]): [string, Plain] => [
      small ? name.toLowerCase() : name,
      (row) => row.state === name,
    ]),
  fc.constant<[string, Plain]>(['unreplied', (row) => !row.replied]),
  fc.constant<[string, Plain]>(['assured', (row) => row.assured]),
  fc
    .constantFrom(...POOLS.networks)
    .map((name): [string, Plain] => [name, (row) => row.network === name || row.egress === name]),
)

it('finds what a look at every row finds', () => {
  expect(all.length).toBeGreaterThan(300)
  fc.assert(
    fc.property(fc.array(word, { maxLength: 3 }), fc.constantFrom(' ', ', ', '  '), (words, gap) => {
      const search = words.map(([text]) => text).join(gap)
      const found = rows(source, { search }).map((row) => JSON.stringify(row))
      const wanted = all.filter((row) => words.every(([, plain]) => plain(row)))
      expect(found).toEqual(wanted.map((row) => JSON.stringify(row)))
    }),
    { numRuns: 200 },
  )
})

it('and narrows what else is asked for', () => {
  const found = rows(source, { search: '443 lan', protocol: 'tcp', limit: 3 })
  expect(found.length).toBe(3)
  expect(found.every((row) => row.protocol === 'tcp' && row.network === 'lan')).toBe(true)
})

it.each([
  'moon',
  '10.0.2.256',
  '10.0.2.0/33',
  '0',
  ':65536',
  '70000',
  '10.0.2.10:',
  '10.0.2.10:0',
  '1:2:3',
  'fe80::1',
  ':',
  '/',
  '-1',
  'SYN',
  'länder',
])('%s means nothing, and is told with what may stand there', (text) => {
  expect(() => rows(source, { search: `tcp ${text}` })).toThrow(
    `search: found "${text}", expected an address`,
  )
})

it('too many words are refused', () => {
  expect(() => rows(source, { search: 'tcp '.repeat(17) })).toThrow('17 words; write at most 16')
})
