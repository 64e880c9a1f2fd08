/** Debian's Prometheus in a namespace: it scrapes what listens there as job `bridgeport`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './command.ts'
import { folder } from './folder.ts'
import type { Namespace } from './namespace.ts'

const ADDRESS = '127.0.0.1:9090'

/** Asks for each path that it reads, one after the other, and writes the answers. */
const asker = `
const read = async () => JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
read().then(async (paths) => {
  const answers = []
  for (const path of paths) answers.push(await (await fetch('http://${ADDRESS}' + path)).json())
  process.stdout.write(JSON.stringify(answers))
})
`

/** A series of an answer: its labels and its last value. */
export interface Series {
  metric: Record<string, string>
  value: number
}

interface Answer {
  status: string
  error?: string
  data: unknown
}

export class Prometheus {
  private readonly namespace: Namespace

  private constructor(namespace: Namespace) {
    this.namespace = namespace
  }

  /** Starts it with rules; it looks at them and at `target` every half second. */
  static async start(namespace: Namespace, target: string, rules: string): Promise<Prometheus> {
    const place = folder('prometheus')
    const file = join(place, 'prometheus.yml')
    const settings = {
      global: { scrape_interval: '500ms', evaluation_interval: '500ms' },
      rule_files: [rules],
      scrape_configs: [{ job_name: 'bridgeport', static_configs: [{ targets: [target] }] }],
    }
    writeFileSync(file, JSON.stringify(settings))
    const options = [`--config.file=${file}`, `--storage.tsdb.path=${join(place, 'data')}`]
    namespace.spawn('prometheus', ...options, `--web.listen-address=${ADDRESS}`, '--log.level=error')
    const started = new Prometheus(namespace)
    await eventually('Prometheus answers', () => started.query(['up']).catch(() => null), 20_000)
    return started
  }

  private async ask(paths: string[]): Promise<Answer[]> {
    const input = JSON.stringify(paths)
    return JSON.parse(await this.namespace.exec([process.execPath, '-e', asker], { input }))
  }

  /** What expressions give now; throws what Prometheus says of one that is none. */
  async query(expressions: string[]): Promise<Series[][]> {
    const paths = expressions.map((expression) => `/api/v1/query?query=${encodeURIComponent(expression)}`)
    return (await this.ask(paths)).map(({ status, error, data }, index) => {
      if (status !== 'success') throw new Error(`${expressions[index]}: ${error}`)
      const { result } = data as { result: { metric: Series['metric']; value: [number, string] }[] }
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    })
  }

  /** Names of all metrics that it has got. */
  async names(): Promise<string[]> {
    const [{ data }] = await this.ask(['/api/v1/label/__name__/values'])
    return data as string[]
  }

  /** The rules that it evaluates, with what went wrong. */
  async rules(): Promise<{ name: string; health: string; lastError?: string }[]> {
    const [{ data }] = await this.ask(['/api/v1/rules'])
    return (data as { groups: { rules: [] }[] }).groups.flatMap(({ rules }) => rules)
  }
}
