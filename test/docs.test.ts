/** README.md and ARCHITECTURE.md say what is: every example runs, every name exists, and nothing that exists is left out. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { check, DEFAULT, entries, parse } from '../src/control/file.ts'
import { Exposition } from '../src/control/metrics/exposition.ts'
import { gather } from '../src/control/metrics/figures.ts'
import { Kept } from '../src/control/metrics/kept.ts'
import { expose } from '../src/control/metrics/metrics.ts'
import { MODES, Network, Port, File as Root } from '../src/control/schema.ts'
import { timeouts } from '../src/gateway/timeout.ts'
import { configure, Switch } from '../src/index.ts'
import type { Arena } from '../src/memory/arena.ts'
import { REASONS } from '../src/pipeline/reason.ts'
import { FAULTS } from '../src/vhost/fault.ts'
import { cleanup } from './lab/cleanup.ts'
import { attempt, eventually, must } from './lab/command.ts'
import { program } from './lab/daemon.ts'
import { folder } from './lab/folder.ts'
import { codes, Markdown } from './lab/markdown.ts'
import { Front } from './lab/virtio/front.ts'
import { Memory } from './lab/virtio/memory.ts'
import { Pair } from './lab/virtio/pair.ts'
import { root } from './style/source.ts'

const readme = new Markdown('README.md')
const architecture = new Markdown('ARCHITECTURE.md')
const documents = [readme, architecture]
const named = () => documents.flatMap((document) => document.code())

afterAll(cleanup)

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort()
}

describe('configuration', () => {
  const [reference = '', ...others] = readme.fenced('yaml')
  const written = parseYaml(reference)

  it('every example is accepted', () => {
    for (const text of [reference, ...others]) expect(() => parse(text, 'README.md')).not.toThrow()
  })

  it('the reference names every key', () => {
    const networks = Object.values(written.networks as Record<string, Record<string, object>>)
    const ports = Object.values(written.ports as Record<string, object>)
    const keys = (values: object[]) => values.flatMap((value) => Object.keys(value))
    expect(sorted(Object.keys(written))).toEqual(sorted(Object.keys(Root.shape)))
    expect(sorted(keys(networks))).toEqual(sorted(Object.keys(Network.shape)))
    expect(sorted(keys(ports))).toEqual(sorted(Port.options.flatMap(({ shape }) => Object.keys(shape))))
    for (const key of ['host', 'macTable'] as const) {
      const inner = keys(networks.flatMap((network) => network[key] ?? []))
      expect(sorted(inner)).toEqual(sorted(Object.keys(Network.shape[key].unwrap().shape)))
    }
  })

  it('the defaults are those of a switch without a file', () => {
    const { networks: usual, conntrack: tracked, ...without } = check({ settings: {}, ...entries(DEFAULT) })
    const { input } = parse(reference, 'README.md')
    const { networks, conntrack, ...settings } = check({ settings: input, ...entries(input) })
    expect({ ...settings, ports: new Map() }).toEqual(without)
    expect(conntrack.capacity).toBe(tracked.capacity)
    expect(timeouts(conntrack.timeouts)).toEqual(timeouts(tracked.timeouts))
    expect(networks.get('default')).toEqual(usual.get('default'))
  })

  it('every mode and type is listed in the tables', () => {
    const first = (title: string) => readme.table(title).flatMap(([cell = '']) => codes(cell))
    const types = Port.options.map(({ shape }) => shape.type.value).filter((type) => type !== 'memory')
    expect(sorted([...first('mode'), ...first('type')])).toEqual(sorted([...MODES, ...types]))
  })
})

/** What `--help` of a command offers: commands below it and long options. */
interface Help {
  commands: string[]
  options: string[]
}

/** Every command is asked for its options, one process each. */
const helpMs = 60_000

async function help(...command: string[]): Promise<Help> {
  const text = await must([process.execPath, program, ...command, '--help'])
  const [options = '', rest = ''] = text.split('\nCommands:\n')
  const [commands = ''] = rest.split('\nExamples:\n')
  return {
    commands: [...commands.matchAll(/^ {2}(\S+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'help'),
    options: [...options.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== '--help' && name !== '--socket' && name !== '--version'),
  }
}

describe('command line', () => {
  const table = readme.table('command')
  const documented = new Map(table.map(([name = '', options = '']) => [codes(name)[0] ?? '', codes(options)]))

  it(
    'the table has every command with every option, and no other',
    async () => {
      const top = await help()
      const real = new Map<string, string[]>()
      for (const name of top.commands) {
        const { commands, options } = await help(name)
        if (commands.length === 0) real.set(`bridgeport ${name}`, options)
        for (const below of commands)
          real.set(`bridgeport ${name} ${below}`, (await help(name, below)).options)
      }
      const plain = (map: Map<string, string[]>) =>
        Object.fromEntries([...map].map(([name, options]) => [name, sorted(options)]))
      const long = new Map(
        [...documented].map(([name, options]) => [name, options.filter((o) => o !== '-c')]),
      )
      expect(plain(long)).toEqual(plain(real))
    },
    helpMs,
  )

  it('examples use commands and options of the table', () => {
    const blocks = readme.fenced('sh').map((text) => text.replaceAll('\\\n', ' '))
    const lines = [...blocks.flatMap((text) => text.split('\n')), ...named()]
    const calls = lines.flatMap((line) => /^(?:npx )?bridgeport (.*)$/.exec(line)?.[1] ?? [])
    expect(calls.length).toBeGreaterThan(10)
    for (const call of calls) {
      const words = call.replace(/ -- .*/, '').split(' ')
      const command = [2, 1]
        .map((count) => `bridgeport ${words.slice(0, count).join(' ')}`)
        .find((name) => documented.has(name))
      expect(command, `bridgeport ${call}`).toBeDefined()
      const known = [...(documented.get(command ?? '') ?? []), '--socket', '--json']
      for (const word of words.filter((each) => each.startsWith('--'))) expect(known, call).toContain(word)
    }
  })

  it('npm commands are scripts of the package, and the change gate runs the test command', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const lines = [...readme.fenced('sh').flatMap((text) => text.split('\n')), ...named()]
    const own = ['install', 'pack', 'root'] // npm's, for who installs the package
    const names = lines
      .flatMap((line) => /(?:^| )npm (?:run )?([a-z]+)/.exec(line)?.[1] ?? [])
      .filter((name) => !own.includes(name))
    expect(sorted(names)).toEqual(['asan', 'bench', 'build', 'lint', 'package', 'start', 'test'])
    for (const name of names) expect(Object.keys(scripts)).toContain(name)
    const gate = readFileSync(join(root, '.ci/run'), 'utf8')
    expect(gate).toMatch(/REQUIRE_ALL=1 .*npm test/)
    expect(gate).toContain('npm run --silent lint')
  })
})

describe('names', () => {
  it('the drop reasons and their meanings are those of the dataplane', () => {
    const rows = readme.table('reason').map(([name = '', meaning]) => ({ name: codes(name)[0], meaning }))
    expect(rows).toEqual(REASONS)
  })

  it('the faults of guests and their meanings are those that are told', () => {
    const rows = readme.table('fault').map(([name = '', meaning]) => ({ name: codes(name)[0], meaning }))
    expect(rows).toEqual(FAULTS)
  })

  it('the paths of the API are those that it describes', () => {
    const { paths } = JSON.parse(readFileSync(join(root, 'docs/openapi.json'), 'utf8')) as {
      paths: Record<string, object>
    }
    const served = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${path} ${method}`),
    )
    const rows = readme
      .table('path')
      .flatMap(([path = '', methods = '']) =>
        methods.split(' ').map((method) => `${codes(path)[0]} ${method.toLowerCase()}`),
      )
    expect(sorted(rows)).toEqual(sorted(served))
  })

  it('every file that is named exists', () => {
    const path = /^(src|native|test|scripts|bench|examples|docs|bin|\.ci)\/[\w./-]*\w$/
    const paths = named().filter((code) => path.test(code))
    expect(paths.length).toBeGreaterThan(20)
    expect(paths.filter((each) => !existsSync(join(root, each)))).toEqual([])
  })

  it('there is a place for the table of the benchmarks', () => {
    expect(readme.text).toMatch(/^<!-- bench -->\n[\s\S]*^<!-- \/bench -->$/m)
  })

  it('the plots are those of the tables', async () => {
    const script = join(root, 'scripts/plot.mjs')
    const { charts } = (await import(script)) as { charts: (text: string) => Record<string, string> }
    const drawn = Object.entries(charts(readme.text))
    expect(drawn).toHaveLength(4)
    for (const [path, svg] of drawn) {
      expect(readme.text).toContain(path)
      expect(readFileSync(join(root, path), 'utf8'), `npm run bench -- plots draws ${path}`).toBe(svg)
    }
  })
})

describe('metrics', () => {
  it('the table has every metric with its labels', async () => {
    const networks = { lab: { mode: 'internal' as const, subnet: '10.7.0.0/24', dns: 'off' as const } }
    const ports = { a: { network: 'lab', type: 'memory' as const } }
    const socket = join(folder('docs'), 'socket')
    const fabric = await Switch.start(configure({ socket, networks, ports }), { info() {}, warn() {} })
    await fabric.restoreRules('*filter\nCOMMIT\n')
    try {
      // A frame that nobody receives: the family of drops shows a sample with its labels.
      fabric.memory('a').send(new Uint8Array(60).fill(0xff, 0, 6).fill(2, 6, 12))
      await eventually('a drop', () => fabric.ports().some((row) => row.drops.no_destination))
      const figures = await gather(fabric, new Kept(), 1)
      // What only a way outside has, or a guest behind a socket brings about: a sample each, for its labels.
      const rows = [{ network: 'lab', protocol: 'tcp', state: 'ESTABLISHED', count: 1 }]
      const more = {
        flows: { ...figures.flows, rows },
        endpoints: [{ network: 'lab', used: 1, capacity: 1 }],
        ports: figures.ports.map((row) => ({ ...row, faults: { protocol: 1 } })),
      }
      const page = await expose(new Exposition(), { ...figures, ...more }, '')
      const text = String(page.text)
      const families = [...text.matchAll(/^# TYPE (bridgeport_\w+)/gm)].map(([, name = '']) => name)
      const labels = (name: string) =>
        [...text.matchAll(new RegExp(`^${name}(?:_bucket)?\\{(.*)\\} `, 'gm'))].flatMap(([, list = '']) =>
          [...list.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
        )
      const documented = readme
        .table('metric')
        .map(([name = '', list = '']) => [codes(name)[0], sorted(codes(list))])
      expect(documented).toEqual(families.map((name) => [name, sorted(labels(name))]))
    } finally {
      await fabric.close()
    }
  })
})

describe('memory', () => {
  it('the table has every region of the arena', async () => {
    const networks = { lab: { mode: 'internal' as const } }
    const place = folder('docs')
    const path = join(place, 'guest')
    const ports = {
      a: { network: 'lab', type: 'memory' as const },
      b: { network: 'lab', type: 'vhost-user' as const, path },
    }
    const socket = join(place, 'socket')
    const fabric = await Switch.start(configure({ workers: 2, socket, networks, ports }), {
      info() {},
      warn() {},
    })
    const memory = new Memory()
    const front = Front.connect(path)
    try {
      await front.start({ memory, pairs: [new Pair(memory)] })
      await fabric.capture.open({})
      const { arena } = Reflect.get(fabric, 'plant') as { arena: Arena }
      const real = arena
        .regions()
        .map((name) => name.replace(/(?<=ring.*)\d+\/\d+$/, 'A/B').replace(/(?<=capture\/)\d+/, 'C'))
        .map((name) => name.replace(/\d+$/, 'N'))
      const rows = architecture.table('region').flatMap(([cell = '']) => codes(cell))
      expect(sorted(rows)).toEqual(sorted(real))
    } finally {
      front.vanish()
      await fabric.close()
    }
  })
})

describe('embedding', () => {
  it.each(readme.fenced('js').map((text, index) => ({ text, index })))(
    'example $index runs from another package',
    async ({ text, index }) => {
      const place = folder('embed')
      mkdirSync(join(place, 'node_modules'))
      symlinkSync(root, join(place, 'node_modules/bridgeport'))
      writeFileSync(join(place, `example${index}.mjs`), text)
      const result = await attempt([process.execPath, join(place, `example${index}.mjs`)])
      expect(result).toMatchObject({ status: 0, stderr: '' })
      expect(result.stdout).toMatch(/arrived/)
    },
  )
})
