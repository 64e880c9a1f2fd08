/** `npm run bench`, first half: nanoseconds a frame, in memory, on one core. Figures of a shared machine: read the ratios. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bench } from 'tinybench'
import { root } from '../compare/root.ts'
import { stages, whole } from './bridge.ts'
import { captured } from './capture.ts'
import type { Case } from './case.ts'
import { chains } from './chain.ts'
import { duplex } from './duplex.ts'
import { tables } from './flow.ts'
import { fresh } from './fresh.ts'
import { generated, translated } from './gateway.ts'
import { type Figure, judge, table } from './goals.ts'
import { memory } from './memory.ts'
import { parts } from './parts.ts'
import { loading, ruled } from './ruled.ts'
import { sockets } from './socket.ts'
import { speech } from './speech.ts'
import { rings } from './vhost.ts'

/** A case runs this long, in milliseconds, after a warm-up in which V8 optimises it. */
const TIME_MS = 400
const WARM_MS = 400

async function measure(cases: Case[]): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const { name, frames, run, before } of cases) {
    const bench = new Bench({ time: TIME_MS, warmupTime: WARM_MS, throws: true })
    bench.add(name, run, before ? { beforeEach: before } : {})
    const [task] = await bench.run()
    const { result } = task
    if (!('latency' in result)) throw new Error(`${name}: ${result.state}`)
    const perFrame = (ms: number) => (ms * 1e6) / frames
    figures.push({ name, median: perFrame(result.latency.p50), least: perFrame(result.latency.min) })
  }
  return figures
}

const figures = await measure([
  ...whole(),
  ...captured(),
  ...stages(),
  ...rings(),
  ...parts(),
  ...sockets(),
  ...duplex(),
  ...tables(),
  generated(1_048_576),
  ...translated(),
  ...ruled(),
  ...fresh(),
  ...speech(),
  ...chains(),
])
process.stdout.write('| in memory, one core | ns a frame, median | least |\n|---|--:|--:|\n')
for (const { name, median, least } of figures) {
  process.stdout.write(`| ${name} | ${median.toFixed(1)} | ${least.toFixed(1)} |\n`)
}
const room = memory()
const load = loading()
const goals = judge(figures, load.ms)
process.stdout.write(`\n${table(goals)}\n${room.text}\n- ${load.text}\n`)
const folder = join(root, 'bench/results')
mkdirSync(folder, { recursive: true })
writeFileSync(
  join(folder, 'micro.json'),
  `${JSON.stringify({ node: process.versions.node, figures, goals, memory: room.bytes, loading: load.ms }, null, 2)}\n`,
)
