/**
 * The flow log: begins and ends of connections, as lines of JSON in a file and as IPFIX for a collector. The workers' chronicle is read ten
 * times a second while the configuration asks for it, and never else.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { PORT_COUNT_MAX } from '../../memory/counters.ts'
import { GUESTS } from '../../pipeline/program.ts'
import { NETWORKS } from '../../table/flow.ts'
import { Calm } from '../calm.ts'
import type { FlowLogConfiguration } from '../configuration.ts'
import type { Plant } from '../plant.ts'
import { Refusal } from '../refusal.ts'
import type { Log } from '../switch.ts'
import { Exporter } from './exporter.ts'
import { append, LogFile } from './file.ts'
import { lineOf } from './line.ts'
import { type FlowEvent, Reader } from './reader.ts'
import type { Told } from './template.ts'

/** How often the chronicle is read; sooner if more is there than is taken at once. */
const READ_MS = 100
const SOON_MS = 5
/** Events that are taken at once, so that nothing else of the control thread waits long: 10 ms. */
const LIMIT = 2048

export class FlowLog {
  /** events that were read, and those that did not reach the file or the collector, since the start */
  records = 0
  private missed = 0
  private readonly plant: Plant
  private readonly log: Log
  private settings: FlowLogConfiguration | null = null
  private reader: Reader | null = null
  private file: LogFile | null = null
  private exporter: Exporter | null = null
  private timer: NodeJS.Timeout | null = null
  /** by the index of the port that stands for a network's gateway, also of those that just went: the network, and whether it is outside */
  private readonly names = new Map<number, string>()
  private readonly outside = new Set<number>()

  constructor(plant: Plant, log: Log) {
    this.plant = plant
    this.log = new Calm(log)
  }

  /** Events that were lost since the start: no room in the chronicle, a file that cannot be written, a collector that cannot be sent to. */
  get lost(): number {
    return this.missed + (this.file?.lost ?? 0) + (this.exporter?.lost ?? 0)
  }

  get isOn(): boolean {
    return this.reader !== null
  }

  /** Begins to read and write, or goes on with other settings; null changes nothing. Throws a Refusal, and then all is as before. */
  open(settings: FlowLogConfiguration | null, state: string): void {
    if (settings === null || JSON.stringify(settings) === JSON.stringify(this.settings)) return
    const { file, ipfix, domain } = settings
    const written = file === this.file?.path ? this.file : this.create(file, state)
    if (this.settings !== null) this.look()
    if (written !== this.file) void this.leave(this.file)
    void this.leave(this.exporter)
    this.file = written
    this.exporter = ipfix === null ? null : new Exporter(ipfix, domain, this.log)
    this.settings = settings
    if (this.reader !== null) return
    this.reader = new Reader(this.plant.arena, this.plant.ground.memory.chronicleAt)
    this.arm(READ_MS)
  }

  /** Ends what `settings` ask for no more: the workers write nothing from now on. */
  async settle(settings: FlowLogConfiguration | null): Promise<void> {
    if (settings !== null || this.settings === null) return
    if (this.timer !== null) clearTimeout(this.timer)
    while (this.look() > 0) await setImmediate()
    const { file, exporter } = this
    this.file = null
    this.exporter = null
    this.reader = null
    this.settings = null
    await Promise.all([this.leave(file), this.leave(exporter)])
  }

  /** The file may have been moved away: another one is begun under its name. */
  reopen(): void {
    this.file?.reopen()
    this.file?.pump()
  }

  private create(path: string | null, state: string): LogFile | null {
    if (path === null) return null
    try {
      if (dirname(path) === state) mkdirSync(state, { recursive: true, mode: 0o755 })
      return new LogFile(path, append(path), this.log)
    } catch (error) {
      throw new Refusal(`flowLog.file ${path}`, (error as Error).message, 'name a file that can be written')
    }
  }

  /** Ends what is not written to any more; what it lost stays lost. */
  private async leave(way: LogFile | Exporter | null): Promise<void> {
    if (way === null) return
    const { lost } = way
    this.missed += lost
    await way.end()
    this.missed += way.lost - lost
  }

  private arm(delayMs: number): void {
    this.timer = setTimeout(() => this.arm(this.look() > 0 ? SOON_MS : READ_MS), delayMs).unref()
  }

  /** Takes over what happened; returns how much more is there. */
  private look(): number {
    const { plant, reader, file, exporter } = this
    if (reader === null) return 0
    this.learn()
    exporter?.introduce(this.names)
    const nameOf = (port: number) => this.names.get(port + 1) ?? ''
    const lines: string[] = []
    const left = reader.read(Int32Array.from(plant.ground.timeouts), LIMIT, (event) => {
      this.records++
      if (file !== null) lines.push(lineOf(event, nameOf))
      exporter?.add(this.told(event))
    })
    this.missed += reader.missed()
    if (lines.length > 0) file?.add(`${lines.join('\n')}\n`, lines.length)
    file?.pump()
    exporter?.flush()
    return left
  }

  private told(event: FlowEvent): Told {
    const networks = event.words[NETWORKS]
    const number = (port: number) => (port < PORT_COUNT_MAX ? port + 1 : 0)
    const ingress = number(networks >>> 16)
    return { event, ingress, egress: number(networks & 0xffff), isOutside: this.outside.has(ingress) }
  }

  /** Numbers of interfaces: 1 + the index of the port that stands for a network's gateway. */
  private learn(): void {
    for (const { index, spec } of this.plant.members.values()) {
      if (spec.type !== 'local') continue
      this.names.set(index + 1, spec.network)
      const role = this.plant.nets.get(spec.network)?.role
      if (role !== undefined && role !== GUESTS) this.outside.add(index + 1)
      else this.outside.delete(index + 1)
    }
  }
}
