/** runtime.yaml: read back as written, replaced as a whole, refused when somebody broke it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { load } from '../../src/control/load.ts'
import type { Refusal } from '../../src/control/refusal.ts'
import * as runtime from '../../src/control/runtime.ts'
import { birth } from '../../src/port/namespace.ts'
import { cleanup } from '../lab/cleanup.ts'
import { folder } from '../lab/folder.ts'

afterEach(cleanup)

const contents: runtime.Contents = {
  networks: { lab: { mode: 'host-only', subnet: '10.9.0.0/24' } },
  ports: { vm: { network: 'lab', type: 'qemu-tap', owner: 'libvirt-qemu', floodLimit: '1000/s' } },
  macs: [{ network: 'lab', mac: '52:54:00:00:00:01', port: 'vm' }],
  publish: [],
  processes: {},
}

function lines(act: () => unknown): readonly string[] {
  try {
    act()
  } catch (error) {
    return (error as Refusal).lines
  }
  return []
}

it('is read back as it was written, and a missing file is empty', () => {
  const path = join(folder('runtime'), 'deep/er/runtime.yaml')
  expect(runtime.read(path)).toEqual({ networks: {}, ports: {}, macs: [], publish: [], processes: {} })
  runtime.write(path, contents)
  expect(runtime.read(path)).toEqual(contents)
  expect(readdirSync(join(path, '..'))).toEqual(['runtime.yaml'])
})

it('a write that fails leaves the old contents', () => {
  const path = join(folder('runtime'), 'runtime.yaml')
  runtime.write(path, contents)
  mkdirSync(`${path}.new`)
  expect(
    lines(() => runtime.write(path, { networks: {}, ports: {}, macs: [], publish: [], processes: {} })),
  ).toHaveLength(1)
  expect(runtime.read(path)).toEqual(contents)
})

it.each([
  ['networks: [', /Flow sequence/],
  ['colour: red', /colour: unknown key, expected one of networks, ports, macs, publish, processes/],
  ['ports: { vm: { network: lab, type: tap, mtu: 1 } }', /ports\.vm\.mtu: found 1, expected an integer/],
  ['macs: [{ network: lab, mac: x, port: vm }]', /macs\[0\]\.mac: found "x"/],
  ['ports: { vm: { network: lab, type: tap, address: "fd00::5/64" } }', /not available yet/],
])('refused: %s', (text, line) => {
  const path = join(folder('runtime'), 'runtime.yaml')
  writeFileSync(path, text)
  const refused = lines(() => runtime.read(path))
  expect(refused).toHaveLength(1)
  expect(refused[0]).toContain(path)
  expect(refused[0]).toMatch(line)
})

/** A state folder with runtime.yaml and a file beside it. */
function state(file: object, added: Partial<runtime.Contents>): string {
  const place = folder('state')
  runtime.write(runtime.pathIn(place), {
    networks: {},
    ports: {},
    macs: [],
    publish: [],
    processes: {},
    ...added,
  })
  writeFileSync(join(place, 'f.yaml'), JSON.stringify({ state: place, ...file }))
  return join(place, 'f.yaml')
}

it('joins the file, and each thing says where it comes from', () => {
  const path = state({ networks: { lan: { mode: 'internal' } } }, contents)
  const { configuration } = load(path, {})
  expect([...configuration.networks.values()].map(({ name, origin }) => `${name} ${origin}`)).toEqual([
    'lan file',
    'lab runtime',
  ])
  expect(configuration.ports.get('vm')?.origin).toBe('runtime')
})

it('conflicts with the file are refused with a line that names both', () => {
  const both = lines(() => load(state({ networks: { lab: { mode: 'internal' } } }, contents), {}))
  expect(both).toHaveLength(1)
  expect(both[0]).toMatch(/networks\.lab: .*f\.yaml and .*runtime\.yaml both define it/)
  const overlap = lines(() =>
    load(state({ networks: { lan: { mode: 'internal', subnet: '10.9.0.0/16' } } }, contents), {}),
  )
  expect(overlap).toHaveLength(1)
  expect(overlap[0]).toMatch(/runtime\.yaml: networks\.lab\.subnet: .*networks\.lan of the file/)
  const dangling = lines(() => load(state({}, { ports: contents.ports }), {}))
  expect(dangling[0]).toMatch(/runtime\.yaml: ports\.vm\.network: found "lab"/)
})

it('--socket overrides the file without touching it', () => {
  const path = state({ socket: '/run/a.sock' }, {})
  const before = readFileSync(path, 'utf8')
  expect(load(path, { socket: '/run/b.sock' }).configuration.socket).toBe('/run/b.sock')
  expect(readFileSync(path, 'utf8')).toBe(before)
  expect(existsSync('/run/b.sock')).toBe(false)
})

it('without any file the default network runs, and nobody else changes it', () => {
  const first = load(null, { socket: '/run/a.sock' }).configuration
  expect(first.networks.get('default')).toMatchObject({
    mode: 'nat',
    gateway: '10.0.2.2',
    uplink: { kind: 'host' },
  })
  expect(load(null, {}).configuration.socket).toBe('/run/bridgeport/bridgeport.sock')
})

it('a port of a process is left out once the number is another process, its pinned MACs with it', () => {
  const port = { network: 'lan', type: 'tap', netns: `pid:${process.pid}` } as const
  const file = { networks: { lan: { mode: 'internal' } } }
  const macs = [{ network: 'lan', mac: '52:54:00:00:00:01', port: 'p' }]
  const same = load(state(file, { ports: { p: port }, processes: { p: birth(process.pid) ?? '' }, macs }), {})
  expect([same.lost, [...same.configuration.ports.keys()], same.added.macs]).toEqual([[], ['p'], macs])
  const other = load(state(file, { ports: { p: port }, processes: { p: 'before the last boot' }, macs }), {})
  expect([other.lost, [...other.configuration.ports.keys()], other.added.macs]).toEqual([['p'], [], []])
})
