/** The style that a program can check, and a bad sample for every rule so that the rules themselves are known to work. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { comments, hot, isHot, layering, naming, size } from './style/rules.ts'
import { files, parse, root, sources } from './style/source.ts'

const product = sources('src')
const everything = sources('src', 'test', 'bench')
const texts = ['src', 'test', 'bench', 'scripts', 'native', 'examples', 'bin']
  .flatMap((folder) => files(join(root, folder)))
  .map((path) => relative(root, path))
const code = texts.filter((path) => /\.(ts|mjs|js|cc|h)$/.test(path))

describe('the repository', () => {
  it('layers point down', () => expect(product.flatMap(layering)).toEqual([]))
  it('files and functions are short', () => expect(everything.flatMap(size)).toEqual([]))
  it('file names are one word', () => expect(code.flatMap(naming)).toEqual([]))
  it('comments hold no code and no notes to self', () => {
    const rules = (path: string) => path.startsWith('test/style')
    const found = code
      .filter((path) => !rules(path))
      .flatMap((path) => comments(path, readFileSync(join(root, path), 'utf8')))
    expect(found).toEqual([])
  })
  it('hot files hold integers and views', () => {
    const hotFiles = product.filter(isHot)
    expect(hotFiles.length).toBeGreaterThan(5)
    expect(hotFiles.flatMap(hot)).toEqual([])
  })
})

/** What the rules say to one file. */
function findings(
  rule: (source: ReturnType<typeof parse>) => string[],
  path: string,
  text: string,
): string[] {
  return rule(parse(path, text)).map((finding) => finding.replace(/^[^ ]* /, ''))
}

describe('the rules', () => {
  it('see an import that points up', () => {
    const up = "import { a } from '../pipeline/a.ts'\n"
    expect(findings(layering, 'src/table/b.ts', up)).toEqual(['table imports ../pipeline/a.ts'])
    expect(findings(layering, 'src/port/b.ts', up)).toEqual([])
    expect(findings(layering, 'src/cli/b.ts', up)).toEqual([])
  })
  it('see an export, a type and a dynamic import too', () => {
    expect(findings(layering, 'src/memory/b.ts', "export * from '../table/a.ts'\n")).toHaveLength(1)
    expect(findings(layering, 'src/memory/b.ts', "import type { A } from '../table/a.ts'\n")).toHaveLength(1)
    expect(findings(layering, 'src/memory/b.ts', "const a = await import('../table/a.ts')\n")).toHaveLength(1)
  })
  it('see wire importing something', () => {
    expect(findings(layering, 'src/wire/b.ts', "import { a } from 'node:fs'\n")).toEqual([
      'wire imports node:fs',
    ])
    expect(findings(layering, 'src/wire/b.ts', "import { a } from './a.ts'\n")).toEqual([])
  })
  it('see the page import more than types', () => {
    const types = "import type { Picture } from '../control/live.ts'\n"
    expect(findings(layering, 'src/page/b.ts', types)).toEqual([])
    expect(findings(layering, 'src/page/b.ts', "import { a } from './a.ts'\n")).toEqual([])
    for (const text of [types.replace(' type', ''), types.replace('control', 'table')])
      expect(findings(layering, 'src/page/b.ts', text)).toHaveLength(1)
    expect(findings(layering, 'src/cli/b.ts', "import type { A } from '../page/a.ts'\n")).toHaveLength(1)
  })
  it('see the addon opened by a stranger', () => {
    const open = "import { native } from '../memory/native.ts'\n"
    expect(findings(layering, 'src/control/b.ts', open)).toEqual(['control opens the addon'])
    expect(findings(layering, 'src/port/b.ts', open)).toEqual([])
  })
  it('see long files and long functions', () => {
    expect(findings(size, 'src/a.ts', 'a()\n'.repeat(301))).toEqual(['301 lines'])
    const body = `export class A {\n  b() {\n${'    a()\n'.repeat(69)}  }\n}\n`
    expect(findings(size, 'src/a.ts', body)).toEqual(['function of 71 lines'])
    expect(findings(size, 'src/a.ts', body.replace('    a()\n', ''))).toEqual([])
  })
  it('see two words in a name', () => {
    for (const name of ['src/a/macTable.ts', 'src/a/mac-table.ts', 'src/a/mac_table.ts', 'src/a/Mac.ts']) {
      expect(naming(name)).toHaveLength(1)
    }
    expect(naming('test/a/mac.test.ts')).toEqual([])
  })
  it('see notes to self and code that is switched off', () => {
    for (const line of [
      '// TODO: later',
      '// const a = 1',
      '// if (a) {',
      '// frobnicate(1, 2)',
      '// a += 1',
      '// b();',
    ]) {
      expect(comments('a.ts', `${line}\n`), line).toHaveLength(1)
    }
    for (const line of [
      '// A call (see below) costs 14 ns.',
      '// if a peer ends, so do we',
      'frobnicate(1)',
    ]) {
      expect(comments('a.ts', `${line}\n`), line).toEqual([])
    }
  })
  it.each([
    ['closure', 'export function a(b: number) { return () => b }'],
    ['closure', 'export class A { b() { return function c() {} } }'],
    ['spread', 'export function a(b: number[]) { c(...b) }'],
    ['rest parameter', 'export function a(...b: number[]) {}'],
    ['iterator', 'export function a(b: number[]) { for (const c of b) c }'],
    ['exception', 'export function a() { try { b() } catch {} }'],
    ['exception', 'export function a(b: unknown) { throw b }'],
    ['string', 'export function a() { return `b` }'],
    ['string', "const a = 'b'"],
    ['BigInt', 'const a = 1n'],
    ['BigInt', 'const a = BigInt(1)'],
    ['allocation', 'export function a() { return new Int32Array(1) }'],
  ])('see %s in a hot file', (what, text) => {
    expect(findings(hot, 'src/table/a.ts', text)).toEqual([`${what} in a hot file`])
  })
  it('leave a hot file its header, imports, types and constructors', () => {
    const text = [
      '// Hot: "all" of it.',
      "import { a } from './a.ts'",
      'export class B {',
      "  readonly kind: 'b' | 'c'",
      '  #view = new Int32Array(4)',
      '  constructor() { this.#view = new Int32Array(a) }',
      '  get(index: number): number { return this.#view[index] }',
      '}',
    ].join('\n')
    expect(findings(hot, 'src/table/a.ts', text)).toEqual([])
  })
})
