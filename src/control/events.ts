/**
 * What rules tell of packets: LOG, NFLOG and TRACE, as lines of the log and as rows of the API. The journal is read ten times a second
 * while a rule in force may write to it, and never else: a daemon that has nothing to tell sleeps.
 */
import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { HOOKS, type Rule, type Ruleset, TABLES, type TableName } from '../chain/rule.ts'
import type { Log } from '../chain/target/log.ts'
import type { Nflog } from '../chain/target/nflog.ts'
import { GENERATION_MASK, RULE_SHIFT } from '../pipeline/record.ts'
import * as journal from '../table/journal.ts'
import { type Detail, dump, type Sides } from './dump.ts'
import { type Entry, Reader } from './journal.ts'
import type { Plant } from './plant.ts'
import type { Log as Logger } from './switch.ts'

/** How often the journal is read, in milliseconds: it holds two seconds' worth of records. */
const READ_MS = 100
/** What the API remembers. */
const KEPT = 1000
/** Rows that a reader of the stream may be behind; one that is slower is cut off. */
const BEHIND = 4000

const TELLING = ['LOG', 'NFLOG', 'TRACE']
/** syslog's, by number */
const LEVELS = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug']

export interface EventRow {
  /** counts up; `since` names it */
  id: number
  time: string
  kind: 'log' | 'nflog' | 'trace' | 'lost'
  /** of a LOG rule; null for others */
  level: string | null
  prefix: string
  /** of an NFLOG rule; null for others */
  group: number | null
  /** where the rule stands; null for what is no rule's */
  table: TableName | null
  chain: string | null
  /** its place in the chain from 1 on; a policy's is behind the last rule's */
  rule: number | null
  /** of the text that brought the rule, 0 where it came from elsewhere */
  line: number | null
  hook: string | null
  ingress: string | null
  egress: string | null
  mark: number
  /** as the kernel's log has it */
  text: string
}

/** What numbers mean that a compiled ruleset counts by. */
export interface Numbered {
  counters: readonly { table: TableName; chain: string /** -1: the policy */; index: number; line: number }[]
}

/** A ruleset whose rules may tell, and their numbers. */
interface Book {
  ruleset: Ruleset
  numbered: Numbered
}

/** What a rule says of how its packets are told. */
function detailOf({ flags }: Log): Detail {
  return {
    sequence: flags.has('--log-tcp-sequence'),
    tcpOptions: flags.has('--log-tcp-options'),
    ipOptions: flags.has('--log-ip-options'),
    macDecode: flags.has('--log-macdecode'),
  }
}

function* rulesOf(ruleset: Ruleset): Generator<Rule> {
  for (const { chains } of ruleset.tables.values()) for (const { rules } of chains.values()) yield* rules
}

function tells(ruleset: Ruleset): boolean {
  for (const { target } of rulesOf(ruleset)) if (TELLING.includes(target?.name ?? '')) return true
  return false
}

export class Events extends EventEmitter<{ row: [EventRow] }> {
  private readonly plant: Plant
  private readonly log: Logger
  private readonly reader: Reader
  private readonly kept: EventRow[] = []
  private timer: NodeJS.Timeout | null = null
  private count = 0
  private now: Book | null = null
  /** of the ruleset that was followed last, and whether it may tell */
  private generation = 0
  private isTelling = false
  /** by generation: the ruleset in force, and the one before it, of which records may come late */
  private readonly books = new Map<number, Book>()

  constructor(plant: Plant, log: Logger) {
    super()
    this.setMaxListeners(0)
    this.plant = plant
    this.log = log
    this.reader = new Reader(plant.arena, plant.ground.memory.journalAt)
  }

  /** Told before a compiled ruleset is ordered: its rules are those of the next generation. */
  follow(ruleset: Ruleset, numbered: Numbered): void {
    const { generation } = this.reader
    this.now = { ruleset, numbered }
    this.books.set(generation + 1, this.now)
    for (const known of this.books.keys()) if (known < generation) this.books.delete(known)
    this.generation = generation + 1
    this.isTelling = tells(ruleset)
    // Without telling rules the timer goes on until those from before are out of force.
    if (this.isTelling && this.timer === null) this.timer = setInterval(() => this.look(), READ_MS).unref()
  }

  private look(): void {
    const isOver = !this.isTelling && this.reader.generation >= this.generation
    this.read()
    if (isOver) this.close()
  }

  close(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }

  /** Rows later than `since`, the oldest first. */
  list(since = 0): EventRow[] {
    this.read()
    return this.kept.filter(({ id }) => id > since)
  }

  /** The same as lines of JSON, and what comes later, until the reader goes. */
  stream(since = 0): Readable {
    const lines = new Readable({ read() {}, highWaterMark: 64 * 1024 })
    let behind = 0
    const tell = (row: EventRow) => {
      behind = lines.push(`${JSON.stringify(row)}\n`) ? 0 : behind + 1
      if (behind > BEHIND) lines.destroy()
    }
    for (const row of this.list(since)) tell(row)
    this.on('row', tell)
    lines.once('close', () => this.off('row', tell))
    return lines
  }

  /** Takes over what was told since the last time. */
  private read(): void {
    for (const entry of this.reader.read()) this.tell(this.row(entry))
    const { suppressed, overflow } = this.reader.lost()
    if (suppressed + overflow === 0) return
    const text = `${suppressed + overflow} records of rules were left out: at most ${journal.RATE} a second are kept`
    this.tell({ ...this.blank('lost'), text })
  }

  private blank(kind: EventRow['kind']): EventRow {
    const place = { table: null, chain: null, rule: null, line: null, hook: null }
    const said = { level: null, prefix: '', group: null, ingress: null, egress: null, mark: 0, text: '' }
    return { id: ++this.count, time: new Date().toISOString(), kind, ...said, ...place }
  }

  private tell(row: EventRow): void {
    const { text, id: _, time: __, ...fields } = row
    if (row.kind === 'lost') this.log.warn({ rules: 'lost' }, text)
    else this.log.info({ rules: fields.kind, table: row.table, chain: row.chain, rule: row.rule }, text)
    this.kept.push(row)
    if (this.kept.length > KEPT) this.kept.shift()
    this.emit('row', row)
  }

  /** The rule or policy that a captured frame was dropped by, from the word of its record (RULE_SHIFT of record.ts); '' if it is not known any more. */
  blame(word: number): string {
    const of = [...this.books.keys()].find((generation) => ((generation ^ word) & GENERATION_MASK) === 0)
    const { counter, chain, rule, number } = stand(this.books.get(of ?? -1), (word >>> RULE_SHIFT) - 1)
    if (counter === undefined) return ''
    const place = `${counter.table} ${counter.chain}`
    return rule === undefined ? `${place}: policy ${chain?.policy}` : `${place} ${number}: ${rule.text}`
  }

  private row(entry: Entry): EventRow {
    const book = this.books.get(entry.generation) ?? this.now
    const { counter, chain, rule, number } = stand(book, entry.rule)
    const sides = this.sides(entry)
    const table = TABLES[entry.table] ?? null
    const place = {
      table,
      chain: counter?.chain ?? null,
      rule: number,
      line: rule?.line ?? chain?.line ?? null,
      hook: HOOKS[entry.hook] ?? null,
      ingress: sides.ingressPort || sides.ingress || null,
      egress: sides.egressPort || sides.egress || null,
    }
    const own = { ...place, time: new Date(entry.timeMs).toISOString(), mark: entry.mark }
    if (entry.kind === journal.TRACE) {
      const how = rule === undefined ? 'policy' : isReturn(rule) && chain?.policy === null ? 'return' : 'rule'
      const prefix = `TRACE: ${table}:${place.chain}:${how}:${number}`
      const detail = { sequence: true, tcpOptions: true, ipOptions: true }
      return { ...this.blank('trace'), ...own, prefix, text: `${prefix} ${dump(entry, sides, detail)}` }
    }
    // A rule that is gone by now, which can be for records under way at a swap, has said nothing.
    const target = rule?.target ?? { name: '', data: null }
    if (entry.kind === journal.NFLOG) {
      const { prefix, group } = target.name === 'NFLOG' ? (target.data as Nflog) : { prefix: '', group: 0 }
      return { ...this.blank('nflog'), ...own, prefix, group, text: `${prefix}${dump(entry, sides)}` }
    }
    const said =
      target.name === 'LOG' ? (target.data as Log) : { prefix: '', level: 4, flags: new Set<string>() }
    const text = `${said.prefix}${dump(entry, sides, detailOf(said))}`
    return { ...this.blank('log'), ...own, prefix: said.prefix, level: LEVELS[said.level] ?? null, text }
  }

  /** Names of what a packet came and left by. A network stands for the gateway's own port in it. */
  private sides({ ingress, egress }: Entry): Sides {
    const side = (number: number): [string, string] => {
      if (number === 0) return ['', '']
      const member = [...this.plant.members.values()].find(({ index }) => index === number - 1)
      if (member === undefined) return ['?', '']
      const { network, name, type } = member.spec
      return [network, type === 'local' || name === network ? '' : name]
    }
    const [from, fromPort] = side(ingress)
    const [to, toPort] = side(egress)
    return { ingress: from, ingressPort: fromPort, egress: to, egressPort: toPort }
  }
}

/** What has a counter's number, and its place in the chain from 1 on; a policy's is behind the last rule's. */
function stand(book: Book | null | undefined, count: number) {
  const counter = book?.numbered.counters[count]
  const chain = book?.ruleset.tables.get(counter?.table ?? 'raw')?.chains.get(counter?.chain ?? '')
  const rule = chain?.rules[counter?.index ?? -1]
  const last = chain?.rules.length ?? 0
  const number = counter === undefined ? null : 1 + (counter.index < 0 ? last : counter.index)
  return { counter, chain, rule, number }
}

/** An unconditional RETURN, as the end of a chain is one: the kernel's trace calls both so. */
function isReturn({ matches, target }: Rule): boolean {
  return matches.length === 0 && target?.name === 'RETURN'
}
