import { spawn } from 'node:child_process'
import { ftruncateSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Arena } from '../../src/memory/arena.ts'
import { native } from '../../src/memory/native.ts'
import { DYNAMIC, lengthOf, MacTable, STATIC } from '../../src/table/mac.ts'
import { bundle } from '../lab/bundle.ts'
import { cleanup } from '../lab/cleanup.ts'

const MIB = 2 ** 20

function arena(length = MIB): Arena {
  return Arena.create(length)
}

it('begins with magic, layout version and length in pages', () => {
  const made = arena(MIB + 1)
  expect(Buffer.from(made.u8.subarray(0, 4)).toString()).toBe('BPRT')
  expect([...made.i32.subarray(1, 3)]).toEqual([1, 257])
  expect(made.length).toBe(257 * 4096)
  made.close()
})

it('is mapped twice over the same bytes, stop word included', () => {
  const made = arena()
  const other = Arena.map(made.fd, made.length)
  made.u8[made.length - 1] = 0xa5
  expect(other.u8[made.length - 1]).toBe(0xa5)
  expect([other.stopped, made.seed(2)]).toEqual([false, other.seed(2)])
  made.stop()
  expect(other.stopped).toBe(true)
  made.close()
})

it('has odd secret seeds, other ones each time', () => {
  const all = [arena(), arena()].map((each) => [0, 1, 2, 3].map((which) => each.seed(which)))
  expect(all.flat().every((seed) => (seed & 1) === 1)).toBe(true)
  expect(all[0]).not.toEqual(all[1])
})

it.each([
  ['magic', 0],
  ['layout', 1],
  ['length', 2],
])('is refused when its %s is another', (_, word) => {
  const made = arena()
  made.i32[word]++
  expect(() => Arena.map(made.fd, made.length)).toThrow(/is no arena of layout 1/)
  made.close()
})

it('finds regions by name, on page boundaries, zero at first and never overlapping', () => {
  const made = arena()
  const lengths = { counters: 1, 'mac/1': 4096, ring: 4097, '': 10 }
  const regions = Object.entries(lengths).map(([name, length]) => made.allocate(name, length))
  expect(regions.map(({ length }) => length)).toEqual([4096, 4096, 8192, 4096])
  for (const [name] of Object.entries(lengths))
    expect(made.find(name)).toEqual(made.allocate(name, lengths[name as '']))
  expect(made.find('absent')).toBe(null)
  expect(made.regions()).toEqual(Object.keys(lengths))
  const sorted = regions.toSorted((a, b) => a.at - b.at)
  sorted.forEach(({ at, length }, i) => {
    expect(at % 4096).toBe(0)
    expect(at + length).toBeLessThanOrEqual(sorted[i + 1]?.at ?? made.length)
    expect(made.u8.subarray(at, at + length).every((byte) => byte === 0)).toBe(true)
  })
  made.close()
})

it('gives a freed place to the next of that length, zero again, and leaves the others', () => {
  const made = arena()
  const [a, b, c] = ['a', 'b', 'c'].map((name) => made.allocate(name, 8192))
  for (const { at, length } of [a, b, c]) made.u8.fill(0xa5, at, at + length)
  made.free('b')
  made.free('absent')
  expect(made.regions()).toEqual(['a', 'c'])
  const d = made.allocate('d', 8000)
  expect(d.at).toBe(b.at)
  expect(made.u8.subarray(d.at, d.at + d.length).every((byte) => byte === 0)).toBe(true)
  expect(made.u8[a.at + 8191] & made.u8[c.at]).toBe(0xa5)
  made.close()
})

it('makes a region anew when it is asked for in another length, and keeps its bytes in the same', () => {
  const made = arena()
  const { at } = made.allocate('a', 4096)
  made.u8[at] = 0xa5
  expect(made.u8[made.allocate('a', 4000).at]).toBe(0xa5)
  const longer = made.allocate('a', 4097)
  expect(made.u8[longer.at]).toBe(0)
  expect(made.regions()).toEqual(['a'])
  made.close()
})

it('says when it is full, when its directory is full and when a name is too long', () => {
  const made = arena()
  const rest = made.length - 33 * 4096
  expect(() => made.allocate('a', rest + 1)).toThrow(/no 917504 bytes left of 1048576/)
  made.allocate('a', rest)
  expect(() => made.allocate('b', 1)).toThrow(/no 4096 bytes left/)
  made.free('a')
  expect(() => made.allocate('ü'.repeat(27), 1)).toThrow(/longer than 52 bytes/)
  expect(made.allocate('ü'.repeat(26), 1)).toEqual(made.find('ü'.repeat(26)))
  made.close()

  const wide = arena(12 * MIB)
  for (let i = 0; i < 2048; i++) wide.allocate(`${i}`, 1)
  expect(() => wide.allocate('one more', 1)).toThrow(/directory is full: it names at most 2048/)
  wide.free('7')
  expect(wide.allocate('one more', 1).length).toBe(4096)
  wide.close()
})

it('is never longer than int32 offsets reach, and cannot be shrunk by who holds its descriptor', () => {
  const made = arena(2 ** 33)
  expect(made.length).toBe(2 ** 31 - 4096)
  expect(made.u8[made.length - 1]).toBe(0)
  expect(() => ftruncateSync(made.fd, 4096)).toThrow(/EPERM/)
  expect(() => native.arenaMap(-1, 4096)).toThrow(/EBADF/)
  made.close()
})

/** Runs the heir in a process of its own, which inherits the arena as descriptor 3. */
function heir(script: string, made: Arena, ...more: number[]): Promise<string> {
  const child = spawn(process.execPath, [script, `${made.length}`, ...more.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit', made.fd],
    timeout: 10_000,
  })
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return new Promise((resolve) => child.on('close', () => resolve(text)))
}

it('goes on in another process: regions, counters, MAC entries, and what that process changes', async () => {
  const script = bundle('test/memory/heir.ts')
  const made = arena(8 * MIB)
  const capacity = 1024
  const { at } = made.allocate('mac/1', lengthOf(capacity))
  const macs = new MacTable(made, at, capacity, 300_000, 8)
  for (let i = 1; i <= 1000; i++) macs.insert(0x0200, i, i % 4, i % 10 === 0 ? STATIC : DYNAMIC, i)
  made.f64[made.allocate('counters/0', 4096).at >> 3] = 12.5
  const answer = JSON.parse(await heir(script, made, capacity))
  expect(answer).toEqual({
    regions: ['mac/1', 'counters/0'],
    counter: 12.5,
    count: 1000,
    missing: [],
    perPort: [200, 250, 200, 250],
  })
  // The heir removed the even ones and moved the others to port 7.
  const again = new MacTable(made, at, capacity, 300_000, 8)
  expect(again.count).toBe(500)
  expect(again.port(again.find(0x0200, 1))).toBe(7)
  expect(again.find(0x0200, 2)).toBe(-1)
  expect(made.f64[made.find('counters/0')!.at >> 3]).toBe(13.5)
  made.close()
  cleanup()
})
