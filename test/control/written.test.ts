/** Which rules hold: the file's, or those restored in its place as long as the file has the contents that they replaced. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { load } from '../../src/control/load.ts'
import * as written from '../../src/control/written.ts'
import { cleanup } from '../lab/cleanup.ts'
import { folder } from '../lab/folder.ts'

afterAll(cleanup)

/** A configuration with a rules file beside it. */
function place(rules: string | null) {
  const at = folder('written')
  const [file, state] = [join(at, 'bridgeport.yaml'), join(at, 'state')]
  writeFileSync(file, JSON.stringify({ state, ...(rules === null ? {} : { rules: 'rules.v4' }) }))
  if (rules !== null) writeFileSync(join(at, 'rules.v4'), rules)
  return { at, file, state, load: () => load(file, {}) }
}

describe('what is in force', () => {
  it('nothing without a file', () => {
    const { configuration, rules } = place(null).load()
    expect([configuration.rules, configuration.sets]).toEqual([null, null])
    expect(rules.outdated).toBe(false)
  })

  it('the file, by a path relative to the configuration', () => {
    const { at, load } = place('*filter\nCOMMIT\n')
    expect(load().configuration.rules).toEqual({ path: join(at, 'rules.v4'), text: '*filter\nCOMMIT\n' })
  })

  it('what was restored, until the file has other contents', () => {
    const { at, state, load } = place('old')
    written.keep('rules', 'restored', load().rules.digest, state)
    expect(load().configuration.rules).toEqual({ path: join(state, 'rules.v4'), text: 'restored' })
    writeFileSync(join(at, 'rules.v4'), 'new')
    expect(load()).toMatchObject({ configuration: { rules: { text: 'new' } }, rules: { outdated: true } })
    writeFileSync(join(at, 'rules.v4'), 'old')
    expect(load().configuration.rules?.text).toBe('restored')
    written.forget('rules', state)
    expect(load().configuration.rules?.text).toBe('old')
  })

  it('what was restored without a file, until there is one', () => {
    const { at, file, state, load } = place(null)
    written.keep('rules', 'restored', load().rules.digest, state)
    expect(load().configuration.rules?.text).toBe('restored')
    writeFileSync(file, JSON.stringify({ state, rules: 'rules.v4' }))
    writeFileSync(join(at, 'rules.v4'), 'new')
    expect(load()).toMatchObject({ configuration: { rules: { text: 'new' } }, rules: { outdated: true } })
  })
})

describe('what cannot be read or written is refused', () => {
  it('a file that is not there, and a folder in its place', () => {
    const { at, load, file, state } = place('x')
    writeFileSync(file, JSON.stringify({ state, rules: 'other' }))
    expect(load).toThrow(`${join(at, 'other')}: there is no such file; `)
    mkdirSync(join(at, 'other'))
    expect(load).toThrow('it is a directory')
  })

  it('a state folder that is a file; what was kept stands', () => {
    const { at, state } = place('x')
    writeFileSync(state, '')
    expect(() => written.keep('rules', 'text', 'none', state)).toThrow(`${join(state, 'rules.v4')}: `)
    written.forget('rules', state)
    expect(existsSync(join(at, 'rules.v4'))).toBe(true)
  })
})
