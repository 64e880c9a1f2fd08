/** The package is found from anywhere below it, and its absence is said instead of searched for ever. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { home } from '../../src/memory/package.ts'
import { root } from '../style/source.ts'

it('is found from a module of it', () => {
  expect(home(import.meta.url)).toBe(root)
  expect(home(pathToFileURL(join(root, 'dist/chunk/x.js')).href)).toBe(root)
})

it('is missed in one line', () => {
  expect(() => home('file:///tmp/nowhere/x.js')).toThrow('/tmp/nowhere is in no package of bridgeport')
})
