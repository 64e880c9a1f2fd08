/** A process that inherits an arena as descriptor 3: it says what it finds there, then goes on with it. */
import { Arena } from '../../src/memory/arena.ts'
import { MacTable } from '../../src/table/mac.ts'

const [length, capacity] = process.argv.slice(2).map(Number)
const arena = Arena.map(3, length)
const { at } = arena.find('mac/1')!
const macs = new MacTable(arena, at, capacity, 300_000, 8)
const counterAt = arena.find('counters/0')!.at >> 3

const missing: number[] = []
for (let i = 1; i <= 1000; i++) if (macs.find(0x0200, i) < 0) missing.push(i)
console.log(
  JSON.stringify({
    regions: arena.regions(),
    counter: arena.f64[counterAt],
    count: macs.count,
    missing,
    perPort: [...macs.perPort.subarray(0, 4)],
  }),
)
for (let i = 1; i <= 1000; i++) {
  const entry = macs.find(0x0200, i)
  if (i % 2 === 0) macs.remove(entry)
  else macs.move(entry, 7, 0)
}
arena.f64[counterAt]++
