import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as mac from '../../src/wire/mac.ts'

it('prints what it parses and parses what it prints', () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.integer(), (high, low) => {
      expect(mac.parse(mac.print(high, low))).toEqual({ high, low })
      expect(mac.parse(mac.print(high, low).toUpperCase())).toEqual({ high, low })
    }),
  )
  expect(mac.print(0x5254, 0xff123456 | 0)).toBe('52:54:ff:12:34:56')
  expect(mac.print(0, 0)).toBe('00:00:00:00:00:00')
})

it.each([
  '',
  '52:54:00:12:34',
  '52:54:00:12:34:56:78',
  '5254.0012.3456',
  '52-54-00-12-34-56',
  '52:54:00:12:34:5g',
  ' 52:54:00:12:34:56',
  '52:54:00:12:34:56\n',
  '2:54:00:12:34:56',
])('does not parse %j', (text) => expect(mac.parse(text)).toBe(null))
