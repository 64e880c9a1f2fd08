/** A log that cannot be filled from outside. */
import { expect, it } from 'vitest'
import { Calm } from '../../src/control/calm.ts'

it('tells ten lines at once, then one in ten seconds with how many were left out', () => {
  const lines: string[] = []
  let now = 5000
  const note = (_: object, message: string) => void lines.push(message)
  const calm = new Calm({ info: note, warn: note }, () => now)
  for (let i = 0; i < 1000; i++) calm[i % 2 === 0 ? 'info' : 'warn']({}, `line ${i}`)
  expect(lines).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i}`))
  now += 9999
  calm.warn({}, 'too early')
  now += 1
  calm.warn({}, 'later')
  calm.warn({}, 'and')
  expect(lines.slice(10)).toEqual(['later (991 more lines were left out)'])
  now += 25_000
  for (let i = 0; i < 5; i++) calm.info({}, `line ${i}`)
  expect(lines.slice(11)).toEqual(['line 0 (1 more lines were left out)', 'line 1'])
  now += 1e6
  for (let i = 0; i < 50; i++) calm.info({}, 'after a long rest')
  expect(lines).toHaveLength(23)
})
