/** The configuration file: found, read, parsed, validated whole. Every mistake is a line with its place in the file. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve as resolvePath } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import type { Configuration } from './configuration.ts'
import * as consistency from './consistency.ts'
import { unavailable } from './pending.ts'
import { type Problem, pathText, problems } from './problem.ts'
import { Refusal } from './refusal.ts'
import { incomplete, type Parts, resolve } from './resolve.ts'
import { File, type FileInput } from './schema.ts'

/** Where a file is looked for when none is named. */
export const PLACES = ['bridgeport.yaml', '/etc/bridgeport/bridgeport.yaml']
/** A file of 1,000 networks and 10,000 ports has about 1 MB; more than this is not a configuration. */
const LENGTH_MAX = 16 * 2 ** 20
/** Lines a terminal shows without scrolling; the rest is counted. */
const LINES_MAX = 20

/** What `up` runs without any file. */
export const DEFAULT: FileInput = {
  networks: { default: { mode: 'nat', subnet: '10.0.2.0/24', gateway: '10.0.2.2' } },
}

/** A validated file and the way from a path in it to a line. */
export interface Source {
  /** '' when no file was found and the default holds */
  path: string
  input: FileInput
  line: (path: readonly PropertyKey[]) => number | null
}

/** The absolute path of the file to use: the one named, else the first of PLACES that exists; null for none. */
export function find(named: string | undefined): string | null {
  const path = named ?? PLACES.find((place) => existsSync(place))
  return path === undefined ? null : resolvePath(path)
}

function plain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const known = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
  } as Record<string, string>
  return known[code ?? ''] ?? message
}

/** Reads the file that `find` chose; the default configuration when there is none. Throws a Refusal. */
export function read(path: string | null): Source {
  if (path === null) return { path: '', input: { ...DEFAULT }, line: () => null }
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Refusal(path, plain(error), 'name another with -c FILE')
  }
  if (text.length > LENGTH_MAX) throw new Refusal(path, 'longer than 16 MiB', 'a configuration is shorter')
  return parse(text, path)
}

/** Turns problems into lines, the first LINES_MAX of them. */
export function refuse(found: readonly Problem[], where: (problem: Problem) => string): Refusal {
  const lines = found
    .slice(0, LINES_MAX)
    .map((problem) => `${where(problem)}${pathText(problem.path)}: ${problem.text}`)
  if (found.length > LINES_MAX) lines.push(`and ${found.length - LINES_MAX} more`)
  return Refusal.of(lines)
}

/** Names that would vanish in a plain object. */
function lost(value: unknown): Problem[] {
  const result: Problem[] = []
  for (const section of ['networks', 'ports']) {
    const names = (value as Record<string, unknown> | null)?.[section]
    if (typeof names === 'object' && names !== null && Object.hasOwn(names, '__proto__'))
      result.push({
        path: [section, '__proto__'],
        text: 'found "__proto__", expected a name that starts with a letter or digit',
      })
  }
  return result
}

/** Parses and validates one file's text by itself. Throws a Refusal with one line for each mistake. */
export function parse(text: string, path: string): Source {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, merge: false })
  // The first only: those that follow are mostly its consequences.
  const [mistake] = [...document.errors, ...document.warnings]
  if (mistake !== undefined) {
    const { line, col } = counter.linePos(mistake.pos[0])
    throw Refusal.of([`${path}:${line}:${col}: ${mistake.message.split('\n')[0]}; mend the YAML there`])
  }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new Refusal(path, (error as Error).message, 'write it without so many aliases')
  }
  const line = (keys: readonly PropertyKey[]): number | null => {
    for (let depth = keys.length; depth > 0; depth--) {
      const node = document.getIn(keys.slice(0, depth), true) as
        | { range?: [number, number, number] }
        | undefined
      if (node?.range !== undefined) return counter.linePos(node.range[0]).line
    }
    return null
  }
  const source = { path, input: validate(value, path, line), line }
  check({ settings: source.input, ...entries(source.input) }, source)
  return source
}

/** Checks the form of a file's contents. Throws a Refusal; lines carry a place when `path` and `line` tell it. */
export function validate(value: unknown, path = '', line: Source['line'] = () => null): FileInput {
  const input: unknown = value ?? {}
  // `ports:` with every entry commented out is an empty section.
  if (typeof input === 'object')
    for (const section of ['networks', 'ports'])
      if ((input as Record<string, unknown>)[section] === null)
        delete (input as Record<string, unknown>)[section]
  const result = File.safeParse(input)
  const found = [
    ...lost(input),
    ...(result.success ? unavailable(result.data) : problems(result.error.issues, input)),
  ]
  if (found.length > 0 || !result.success) throw refuse(found, (problem) => prefix(path, line(problem.path)))
  return result.data
}

function prefix(path: string, line: number | null): string {
  return path === '' ? '' : line === null ? `${path}: ` : `${path}:${line}: `
}

/** The file's own part of a configuration. */
export function entries(input: FileInput): Pick<Parts, 'networks' | 'ports'> {
  const tagged = <T>(record: Record<string, T> | undefined) =>
    new Map(
      Object.entries(record ?? {}).map(([name, each]) => [name, { input: each, origin: 'file' as const }]),
    )
  return { networks: tagged(input.networks), ports: tagged(input.ports) }
}

/** Resolves parts and checks them against each other. Throws a Refusal; `source` gives the lines of what the file says. */
export function check(parts: Parts, source: Source | null = null, runtime = ''): Configuration {
  const configuration = resolve(parts)
  const found = [...incomplete(parts), ...forbidden(parts), ...consistency.check(configuration)]
  if (found.length === 0) return configuration
  throw refuse(found, ({ path }) => {
    const origin = (
      parts[path[0] as 'networks' | 'ports'] as Map<string, { origin: string }> | undefined
    )?.get(String(path[1]))?.origin
    if (origin === 'runtime') return runtime === '' ? '' : `${runtime}: `
    return origin === 'file' && source !== null ? prefix(source.path, source.line(path)) : ''
  })
}

function forbidden(parts: Parts): Problem[] {
  return [...parts.ports].flatMap(([name, { input }]) =>
    input.type === 'memory' && !parts.embedded
      ? [
          {
            path: ['ports', name, 'type'],
            text: 'found "memory", expected tap, tun or qemu-tap: a memory port exists inside a program only',
          },
        ]
      : [],
  )
}
