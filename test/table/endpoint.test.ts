import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Endpoints } from '../../src/table/endpoint.ts'

function drain(endpoints: Endpoints, wish: number, most = 70_000): number[] {
  const ports: number[] = []
  for (let port = endpoints.takeLike(wish); port >= 0 && ports.length < most; port = endpoints.takeLike(wish))
    ports.push(port)
  return ports
}

it('gives every port of its range once, then none', () => {
  const endpoints = new Endpoints(1024, 65535)
  const ports = drain(endpoints, 40_000)
  expect(ports.length).toBe(64_512)
  expect(new Set(ports).size).toBe(64_512)
  expect([Math.min(...ports), Math.max(...ports), endpoints.free]).toEqual([1024, 65535, 0])
  expect(endpoints.takeLike(40_001)).toBe(-1)
  endpoints.give(31_337)
  expect([endpoints.takeLike(2), endpoints.takeLike(2)]).toEqual([31_337, -1])
})

it('keeps parity and system ports while there are any', () => {
  const endpoints = new Endpoints(0, 65535)
  const even = drain(new Endpoints(0, 65535), 5000).slice(0, 32_256)
  expect(even.filter((port) => port % 2 === 1 || port < 1024)).toEqual([])
  const system = drain(endpoints, 53).slice(0, 1023)
  expect(system.filter((port) => port >= 1024)).toEqual([])
  expect(system.slice(0, 512).filter((port) => port % 2 === 0)).toEqual([])
  expect(system).not.toContain(0)
})

it('draws ports that differ from run to run', () => {
  const runs = [1, 2].map(() => drain(new Endpoints(1024, 65535), 40_000, 20).join())
  expect(runs[0]).not.toBe(runs[1])
})

it('spreads what it draws over the whole range', () => {
  const eighths = new Array(8).fill(0)
  for (let i = 0; i < 4000; i++) eighths[new Endpoints(1024, 65535).takeLike(i + 1024) >> 13]++
  // A binomial of 4,000 draws at 1/8 is below 350 or above 650 with a probability below 1e-11.
  expect(eighths.filter((count) => count < 350 || count > 650)).toEqual([])
}, 60_000)

it('keeps a blocked port to itself, also when it comes back', () => {
  const endpoints = new Endpoints(2000, 2003)
  expect(endpoints.take(2002)).toBe(true)
  endpoints.block(2002)
  endpoints.block(2003)
  endpoints.give(2002)
  expect([endpoints.take(2002), endpoints.take(2003), endpoints.capacity]).toEqual([false, false, 2])
  expect(drain(endpoints, 2000).sort()).toEqual([2000, 2001])
})

it('is a set of numbers, whatever is taken and given', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('take' as const), port: fc.integer({ min: 990, max: 1100 }) }),
    fc.record({ do: fc.constant('like' as const), port: fc.integer({ min: 990, max: 1100 }) }),
    fc.record({ do: fc.constant('give' as const), port: fc.integer({ min: 990, max: 1100 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const endpoints = new Endpoints(1000, 1060)
      const free = new Set(Array.from({ length: 61 }, (_, i) => 1000 + i))
      for (const { do: what, port } of steps) {
        if (what === 'take') expect(endpoints.take(port)).toBe(free.delete(port))
        else if (what === 'give') {
          endpoints.give(port)
          if (port >= 1000 && port <= 1060) free.add(port)
        } else {
          const got = endpoints.takeLike(port)
          const likest = [...free].filter((each) => each >= 1024 === port >= 1024)
          const sameParity = likest.filter((each) => each % 2 === port % 2)
          const allowed = [sameParity, likest, [...free]].find((set) => set.length > 0) ?? [-1]
          expect(allowed).toContain(got)
          free.delete(got)
        }
        expect(endpoints.free).toBe(free.size)
      }
    }),
  )
})

it.each([
  [0, 0],
  [0, 31],
  [1, 65535],
  [31, 32],
  [33, 62],
  [1024, 1024],
  [65535, 65535],
  [5000, 4999],
])('holds exactly the ports from %i to %i', (first, last) => {
  const endpoints = new Endpoints(first, last)
  const wanted = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i).filter(
    (p) => p > 0,
  )
  expect(endpoints.capacity).toBe(wanted.length)
  expect(drain(endpoints, first).sort((a, b) => a - b)).toEqual(wanted)
})
