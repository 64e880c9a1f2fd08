/** The public API: a switch inside a program, memory ports only, so it needs no rights. */
import { afterEach, expect, it } from 'vitest'
import { configure, type FileInput, type Refusal, Switch } from '../../src/index.ts'
import { eventually } from '../lab/command.ts'

const silent = { info() {}, warn() {} }
let fabric: Switch | null = null

afterEach(async () => {
  await fabric?.close()
  fabric = null
})

const two: FileInput = {
  networks: { lab: { mode: 'internal' }, other: { mode: 'internal' } },
  ports: {
    a: { network: 'lab', type: 'memory' },
    b: { network: 'lab', type: 'memory' },
    c: { network: 'other', type: 'memory' },
  },
}

/** A frame of 60 bytes: experimental EtherType (RFC 5342), the rest a pattern. */
function frame(destination: number[], source: number[]): Uint8Array {
  const bytes = new Uint8Array(60).fill(0xa5)
  bytes.set([...destination, ...source, 0x88, 0xb5])
  return bytes
}

const macA = [2, 0, 0, 0, 0, 0xa]
const macB = [2, 0, 0, 0, 0, 0xb]
const everybody = Array(6).fill(0xff)

it('frames go from port to port, learned by MAC, and stay in their network', async () => {
  fabric = await Switch.start(configure(two), silent)
  const [a, b, c] = ['a', 'b', 'c'].map((name) => (fabric as Switch).memory(name))
  expect(a.send(frame(everybody, macA))).toBe(true)
  const flooded = await eventually('the broadcast', () => b.receive())
  expect(flooded?.frame).toEqual(frame(everybody, macA))
  b.send(frame(macA, macB))
  expect((await eventually('the answer', () => a.receive()))?.frame).toEqual(frame(macA, macB))
  expect(c.receive()).toBeNull()
  const learned = fabric.macs().map(({ mac, port, kind }) => `${mac} ${port} ${kind}`)
  expect(learned.sort()).toEqual(['02:00:00:00:00:0a a dynamic', '02:00:00:00:00:0b b dynamic'])
  expect(await fabric.flushMacs('lab')).toBe(2)
  expect(fabric.macs()).toEqual([])
})

it('a change disturbs nothing that stays, and a refused one nothing at all', async () => {
  fabric = await Switch.start(configure(two), silent)
  fabric.memory('a').send(frame(everybody, macA))
  const b = fabric.memory('b')
  await eventually('the broadcast', () => b.receive())
  await fabric.addMac('lab', '52:54:00:00:00:01', 'b')
  const { c: _, ...ports } = two.ports as Record<string, NonNullable<FileInput['ports']>[string]>
  await fabric.apply(configure({ ...two, ports: { ...ports, d: { network: 'lab', type: 'memory' } } }))
  expect(
    fabric
      .ports()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['a', 'b', 'd'])
  expect(fabric.ports().find(({ name }) => name === 'a')?.rxFrames).toBe(1)
  expect(fabric.macs()).toHaveLength(2)
  await expect(fabric.apply(configure({ ...two, workers: 2 }))).rejects.toThrow(
    /workers: .*restart the switch/,
  )
  const missing = {
    ...two,
    ports: { ...ports, x: { network: 'lab', type: 'tap', netns: 'bpt-no-such' } },
  } as FileInput
  await expect(fabric.apply(configure(missing))).rejects.toThrow(/port x: there is no namespace bpt-no-such/)
  expect(
    fabric
      .ports()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['a', 'b', 'd'])
})

it('a wrong configuration is refused before anything starts', () => {
  const wrong = {
    networks: { lab: { mode: 'internal', mtu: 1 } },
    ports: { a: { network: 'moon', type: 'memory' } },
  } as FileInput
  let refusal: Refusal | null = null
  try {
    configure(wrong)
  } catch (error) {
    refusal = error as Refusal
  }
  expect(refusal?.lines).toEqual(['networks.lab.mtu: found 1, expected an integer from 68 to 65521'])
})
