import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse, Resolvers } from '../../../src/service/dns/server.ts'
import { cleanup } from '../../lab/cleanup.ts'
import { folder } from '../../lab/folder.ts'

describe('servers', () => {
  afterAll(cleanup)

  it.each([
    ['192.0.2.1', { address: '192.0.2.1', port: 53 }],
    ['192.0.2.1:5353', { address: '192.0.2.1', port: 5353 }],
    ['2001:db8::1', { address: '2001:db8::1', port: 53 }],
    ['[2001:db8::1]:5353', { address: '2001:db8::1', port: 5353 }],
    ['fe80::1%lo', { address: 'fe80::1%lo', port: 53 }],
    ['system', null],
    ['192.0.2.256', null],
    ['', null],
  ])('%s', (text, expected) => {
    expect(parse(text)).toEqual(expected)
  })

  it('are read again when the file changes', () => {
    const path = join(folder('resolv'), 'resolv.conf')
    const resolvers = new Resolvers(path)
    expect(resolvers.list(0)).toEqual([])
    writeFileSync(path, '# old\nnameserver 192.0.2.1\nsearch example\nnameserver\t192.0.2.2 # two\n')
    expect(resolvers.list(500)).toEqual([])
    expect(resolvers.list(1000).map(({ address }) => address)).toEqual(['192.0.2.1', '192.0.2.2'])
    writeFileSync(path, 'nameserver 192.0.2.33\n')
    expect(resolvers.list(2000).map(({ address }) => address)).toEqual(['192.0.2.33'])
  })
})
