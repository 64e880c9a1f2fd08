/** The rules of style that a program can check. Each returns findings, `path:line: what`. */
import { dirname, join, normalize } from 'node:path'
import { isFunction, lineOf, type Node, type Source, walk } from './source.ts'

/** A file is rarely above this; a function fits a screen. */
const fileLines = 300
const functionLines = 70

/** Folders from the top layer to the bottom; those of one row may import each other. */
const layers = [
  ['page'],
  ['cli'],
  ['control'],
  ['service', 'port', 'vhost', 'pipeline', 'gateway'],
  ['chain', 'table'],
  ['memory'],
  ['wire'],
]

/** Folders that may open the addon. */
const openers = ['memory', 'port', 'vhost']

function at(source: Source, node: Node, what: string): string {
  return `${source.path}:${lineOf(source, node.start)}: ${what}`
}

/** The module specifiers of a file's imports and exports. */
function imports(source: Source): { node: Node; path: string }[] {
  const found: { node: Node; path: string }[] = []
  walk(source.tree, (node) => {
    const from = node.source as Node | null | undefined
    if (from && typeof from.value === 'string') found.push({ node, path: from.value })
  })
  return found
}

function folderOf(path: string): string {
  const [, folder = '', file] = path.split('/')
  return file === undefined ? '' : folder
}

function level(folder: string): number {
  return layers.findIndex((row) => row.includes(folder))
}

/** The page runs in a browser: of the switch it knows the types of what control answers, and nothing else. */
function isOfPage(node: Node, folder: string): boolean {
  return folder === 'page' || (folder === 'control' && node.importKind === 'type')
}

/** Layers point down, wire imports nothing but wire, and only memory, port and vhost open the addon's door. */
export function layering(source: Source): string[] {
  const folder = folderOf(source.path)
  const findings: string[] = []
  for (const { node, path } of imports(source)) {
    const target = path.startsWith('.') ? normalize(join(dirname(source.path), path)) : path
    const inside = target.startsWith('src/')
    if (folder === 'wire' && folderOf(target) !== 'wire')
      findings.push(at(source, node, `wire imports ${path}`))
    if (folder === 'page' && inside && !isOfPage(node, folderOf(target)))
      findings.push(at(source, node, `page imports ${path}`))
    if (inside && level(folder) > level(folderOf(target)))
      findings.push(at(source, node, `${folder} imports ${path}`))
    if (target === 'src/memory/native.ts' && !openers.includes(folder)) {
      findings.push(at(source, node, `${folder} opens the addon`))
    }
  }
  if (folder !== '' && level(folder) < 0) findings.push(`${source.path}:1: ${folder} is no layer`)
  return findings
}

/** The body of describe() and suite() is a chapter, not a function. */
function isChapter(parents: Node[]): boolean {
  const call = parents.at(-1)
  const callee = call?.type === 'CallExpression' ? (call.callee as Node) : undefined
  return callee?.name === 'describe' || callee?.name === 'suite'
}

/** Length of the file and of every function. */
export function size(source: Source): string[] {
  const findings: string[] = []
  const total = source.text.trimEnd().split('\n').length
  if (total > fileLines) findings.push(`${source.path}:1: ${total} lines`)
  walk(source.tree, (node, parents) => {
    if (!isFunction(node) || isChapter(parents)) return
    const length = lineOf(source, node.end) - lineOf(source, node.start) + 1
    if (length > functionLines) findings.push(at(source, node, `function of ${length} lines`))
  })
  return findings
}

/** One lower-case word a file, before `.test` and the suffix. */
export function naming(path: string): string[] {
  const name = path.split('/').pop() ?? ''
  const allowed = /^[a-z][a-z0-9]*(\.test)?\.(ts|mjs|js|cc|h)$/
  return allowed.test(name) ? [] : [`${path}:1: a file is one lower-case word`]
}

/** Code in a comment: what no sentence looks like. */
const commentedCode = [
  /^(const|let|var) \w+( = |: )/,
  /^import .* from ['"]/,
  /^(export )?(async )?function \w*\(/,
  /^(if|for|while|switch) \(.*[{)]$/,
  /^(return|await|throw) \S*[([].*[)\]];?$/,
  /^[\w.#]+\(.*\);?$/,
  /^[\w.#]+ [+-]?= \S+;?$/,
  /[)\]}'"];$/,
]

/** No notes to self, no code that is switched off. Works for C++ as well. */
export function comments(path: string, text: string): string[] {
  const findings: string[] = []
  text.split('\n').forEach((line, index) => {
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(line)) findings.push(`${path}:${index + 1}: a note to self`)
    const comment = /^\s*\/\/ ?(.*)$/.exec(line)?.[1]?.trim() ?? ''
    if (commentedCode.some((pattern) => pattern.test(comment)))
      findings.push(`${path}:${index + 1}: commented-out code`)
  })
  return findings
}

export function isHot(source: Source): boolean {
  return /\bHot\b/.test(source.text.split('\n', 1)[0] ?? '')
}

/** What costs or allocates, by node type. */
const forbidden: Record<string, string> = {
  SpreadElement: 'spread',
  RestElement: 'rest parameter',
  ForOfStatement: 'iterator',
  ForInStatement: 'iterator',
  YieldExpression: 'iterator',
  AwaitExpression: 'promise',
  TryStatement: 'exception',
  ThrowStatement: 'exception',
  TemplateLiteral: 'string',
}

function hotFinding(node: Node, parents: Node[]): string {
  if (parents.some((parent) => parent.type === 'MethodDefinition' && parent.kind === 'constructor')) return ''
  if (forbidden[node.type]) return forbidden[node.type] ?? ''
  const functions = parents.filter(isFunction)
  if (isFunction(node) && functions.length > 0) return 'closure'
  if (node.type === 'NewExpression' && functions.length > 0) return 'allocation'
  if (node.type === 'Literal' && 'bigint' in node) return 'BigInt'
  if (node.type === 'Identifier' && /^Big(Int|Int64Array|Uint64Array)$/.test(String(node.name)))
    return 'BigInt'
  const parent = parents.at(-1)
  if (node.type !== 'Literal' || typeof node.value !== 'string') return ''
  const spoken = parent?.type === 'TSLiteralType' || parent?.source === node
  return spoken ? '' : 'string'
}

/** Hot files hold integers and views only; a constructor runs at start, where anything goes. */
export function hot(source: Source): string[] {
  const findings: string[] = []
  walk(source.tree, (node, parents) => {
    const what = hotFinding(node, parents)
    if (what !== '') findings.push(at(source, node, `${what} in a hot file`))
  })
  return findings
}
