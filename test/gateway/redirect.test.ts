import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Redirects } from '../../src/gateway/redirect.ts'
import type { RedirectProgram } from '../../src/pipeline/program.ts'

/** Few networks, addresses (with the sign bit and without) and ports, so that ranges meet. */
const redirect: fc.Arbitrary<RedirectProgram> = fc
  .record({
    network: fc.constantFrom(1, 2),
    protocol: fc.constantFrom(0, 6, 17),
    address: fc.constantFrom(0x0a000001, -0x3a99cdfe, -1),
    first: fc.integer({ min: 1, max: 20 }),
    length: fc.nat(8),
    to: fc.integer({ min: 1, max: 9 }),
    toFirst: fc.integer({ min: 100, max: 200 }),
    masquerade: fc.boolean(),
    mutual: fc.boolean(),
  })
  .map(({ length, ...rest }) => ({ ...rest, last: rest.first + length }))

const question = fc.record({
  network: fc.constantFrom(1, 2, 3),
  protocol: fc.constantFrom(1, 6, 17),
  address: fc.constantFrom(0x0a000001, -0x3a99cdfe, -1, 5),
  port: fc.integer({ min: 0, max: 32 }),
})

it('answers as the first redirect does that matches, those of the protocol before those of all', () => {
  const property = fc.property(
    fc.array(redirect, { maxLength: 25 }),
    fc.array(question, { minLength: 20, maxLength: 40 }),
    (list, questions) => {
      const redirects = new Redirects()
      redirects.set(list)
      for (const { network, protocol, address, port } of questions) {
        const here = list.filter((each) => each.network === network && each.address === address)
        const own = here.find((each) => each.protocol === protocol && each.first <= port && port <= each.last)
        const wanted = own ?? here.find((each) => each.protocol === 0)
        const row = redirects.find(network, protocol, address, port)
        expect(row >= 0).toBe(wanted !== undefined)
        if (wanted === undefined) continue
        const become = wanted.protocol === 0 ? port : port - wanted.first + wanted.toFirst
        expect([redirects.to(row), redirects.port(row, port), redirects.masquerades(row)]).toEqual([
          wanted.to,
          become,
          wanted.masquerade,
        ])
      }
    },
  )
  fc.assert(property, { numRuns: 500 })
})

it('leads outward by the redirect that leads inward, where that is mutual', () => {
  const all = { network: 2, masquerade: false, mutual: true }
  const redirects = new Redirects()
  redirects.set([
    { ...all, protocol: 0, address: 77, first: 0, last: 0, to: 5, toFirst: 0 },
    { ...all, protocol: 6, address: 78, first: 8000, last: 8009, to: 6, toFirst: 80 },
    { ...all, protocol: 17, address: 79, first: 53, last: 53, to: 7, toFirst: 53, mutual: false },
  ])
  const outward = (network: number, protocol: number, address: number, port: number) => {
    const row = redirects.findMutual(network, protocol, address, port)
    return row < 0 ? null : [redirects.mutualAddress(row), redirects.mutualPort(row, port)]
  }
  expect(outward(2, 17, 5, 1234)).toEqual([77, 1234])
  expect([80, 89, 90, 79].map((port) => outward(2, 6, 6, port))).toEqual([[78, 8000], [78, 8009], null, null])
  expect([outward(2, 17, 6, 80), outward(2, 17, 7, 53), outward(1, 17, 5, 1)]).toEqual([null, null, null])
})
