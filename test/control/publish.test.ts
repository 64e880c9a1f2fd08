/** The ports of a link that published ports have for themselves. */
import { expect, it } from 'vitest'
import type { Published } from '../../src/control/configuration.ts'
import { Reservations, redirects } from '../../src/control/publish.ts'
import * as quantity from '../../src/control/quantity.ts'

function mapping(text: string): Published {
  return { ...quantity.publish(text)!, origin: 'file' }
}

const web = mapping('tcp::8080-10.0.2.15:80')
const range = mapping('udp:127.0.0.1:5000-5099-10.0.2.16:6000-6099')

it('are kept while the mapping stays, and never shared', () => {
  const held = new Reservations()
  held.settle('a', [web, range])
  const [first, second] = [held.first('a', web), held.first('a', range)]
  expect(second < first ? second + 99 < first : second > first).toBe(true)
  held.settle('a', [range])
  held.settle('b', [web])
  expect(held.first('a', range)).toBe(second)
  held.settle('a', [range, web])
  expect(held.first('a', range)).toBe(second)
})

it('hundreds of ranges never overlap, and one too many is refused', () => {
  const held = new Reservations()
  const many = Array.from({ length: 600 }, (_, n) =>
    mapping(`tcp:127.0.${n >> 8}.${n & 255}:5000-5099-10.0.2.16:6000-6099`),
  )
  held.settle('a', many)
  const firsts = many.map((each) => held.first('a', each)).sort((a, b) => a - b)
  firsts.forEach((first, n) => {
    expect(first).toBeGreaterThan(0)
    expect(first + 99).toBeLessThan(firsts[n + 1] ?? 65_536)
  })
  const huge = mapping('tcp:127.9.9.9:1-60000-10.0.2.16:1-60000')
  expect(() => held.settle('a', [...many, huge])).toThrow(/no port of its link is left/)
})

it('become redirects: over the link to the reserved port, behind a card to the published one', () => {
  const seat = { address: 0x64400002, prefix: 30, router: 0x64400001, routerMac: null }
  const held = new Reservations()
  held.settle('a', [web])
  const network = { name: 'a', publish: [web] } as Parameters<typeof redirects>[0]
  expect(redirects(network, seat, 7, held)).toEqual([
    expect.objectContaining({
      network: 7,
      protocol: 6,
      first: held.first('a', web),
      toFirst: 80,
      masquerade: true,
    }),
  ])
  expect(redirects(network, seat, 7, null)).toEqual([
    expect.objectContaining({ first: 8080, last: 8080, to: 0x0a00020f, toFirst: 80, masquerade: false }),
  ])
  expect(redirects(network, { ...seat, address: 0 }, 7, null)).toEqual([])
})
