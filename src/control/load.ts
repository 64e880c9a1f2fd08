/** From the two files of a switch, bridgeport.yaml and runtime.yaml, to one checked configuration. */
import { resolve } from 'node:path'
import { birth } from '../port/namespace.ts'
import type { Configuration } from './configuration.ts'
import { check, entries, read, type Source } from './file.ts'
import { Refusal } from './refusal.ts'
import type { NetworkEntry, Parts, PortEntry, PublishEntry } from './resolve.ts'
import * as runtime from './runtime.ts'
import { type PortInput, SocketPath } from './schema.ts'
import type { Companion } from './written.ts'
import * as written from './written.ts'

/** Settings that `up` was given beside the file. */
export interface Overrides {
  /** overrides the file's */
  socket?: string
  /** holds when the file names none: $BRIDGEPORT_SOCKET, where the command line will look */
  fallback?: string
}

/** What was read and what it means together. */
export interface Loaded {
  source: Source
  added: runtime.Contents
  configuration: Configuration
  /** ports of runtime.yaml whose process is gone; they are left out */
  lost: string[]
  rules: Companion
  sets: Companion
}

/** The process that a port's `netns: pid:N` names. */
export function processOf(input: PortInput): number | null {
  const pid = 'netns' in input ? /^pid:(\d+)$/.exec(input.netns ?? '') : null
  return pid === null ? null : Number(pid[1])
}

/** Leaves out ports whose process ended since they were added: its number may be another process's by now. */
function living(added: runtime.Contents): { added: runtime.Contents; lost: string[] } {
  const lost = Object.entries(added.ports).flatMap(([name, input]) => {
    const pid = processOf(input)
    return pid !== null && birth(pid) !== added.processes[name] ? [name] : []
  })
  const keep = <T>(record: Record<string, T>) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !lost.includes(name)))
  const macs = added.macs.filter(({ port }) => !lost.includes(port))
  return { added: { ...added, ports: keep(added.ports), processes: keep(added.processes), macs }, lost }
}

/** Joins the file with what was added; throws a Refusal that names both sides of a conflict. */
export function combine(
  source: Source,
  added: runtime.Contents,
  runs: Map<string, PortInput>,
  path: string,
  published: readonly PublishEntry[] = [],
): Parts {
  const own = entries(source.input)
  const networks = new Map<string, NetworkEntry>(own.networks)
  const ports = new Map<string, PortEntry>(own.ports)
  const twice: string[] = []
  const clash = (what: string) =>
    twice.push(
      `${what}: ${source.path || 'the default configuration'} and ${path} both define it; remove one of them`,
    )
  for (const [name, input] of Object.entries(added.networks)) {
    if (networks.has(name)) clash(`networks.${name}`)
    else networks.set(name, { input, origin: 'runtime' })
  }
  for (const [name, input] of Object.entries(added.ports)) {
    if (ports.has(name)) clash(`ports.${name}`)
    else ports.set(name, { input, origin: 'runtime' })
  }
  for (const [name, input] of runs) {
    if (ports.has(name))
      twice.push(`ports.${name}: a running \`bridgeport run\` has that name; end it or choose another name`)
    else ports.set(name, { input, origin: 'run' as const })
  }
  if (twice.length > 0) throw Refusal.of(twice)
  const publish = [...added.publish.map((each) => ({ ...each, port: '' })), ...published]
  return { settings: source.input, networks, ports, publish }
}

/** A socket path that did not come from the file, in the file's form. Throws a Refusal. */
function socketPath(socket: string): string {
  const path = resolve(socket)
  const result = SocketPath.safeParse(path)
  if (result.success) return path
  throw new Refusal(
    `socket ${path}`,
    `it has to be ${result.error.issues[0].message}`,
    'choose another with --socket',
  )
}

/** Reads the file and runtime.yaml and checks them together. Throws a Refusal. */
export function load(
  path: string | null,
  overrides: Overrides,
  runs = new Map<string, PortInput>(),
  published: readonly PublishEntry[] = [],
): Loaded {
  const source = read(path)
  const socket = overrides.socket ?? source.input.socket ?? overrides.fallback
  if (socket !== undefined) source.input.socket = socketPath(socket)
  const state = check({ settings: source.input, networks: new Map(), ports: new Map() }).state
  const { added, lost } = living(runtime.read(runtime.pathIn(state)))
  const configuration = check(
    combine(source, added, runs, runtime.pathIn(state), published),
    source,
    runtime.pathIn(state),
  )
  const [rules, sets] = (['rules', 'sets'] as const).map((kind) =>
    written.decide(kind, written.read(source.input[kind], source.path), state),
  )
  Object.assign(configuration, { rules: rules.written, sets: sets.written })
  return { source, added, configuration, lost, rules, sets }
}

/** Throws a Refusal for keys that a running switch keeps. */
export function lasting(next: Configuration, now: Configuration, path: string): void {
  const of = ({ socket, state, http }: Configuration) => ({ socket, state, http: JSON.stringify(http) })
  const [wanted, running] = [of(next), of(now)]
  for (const key of Object.keys(wanted) as (keyof typeof wanted)[])
    if (wanted[key] !== running[key])
      throw new Refusal(
        `${path}: ${key}`,
        `the running switch has ${running[key]}, the file says ${wanted[key]}`,
        'restart the switch to change it',
      )
}
