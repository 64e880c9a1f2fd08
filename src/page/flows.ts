/** Connections: the busiest as they go, or those that a search finds. */
import type { FlowRow } from '../control/flows.ts'
import { element, say, searchBox } from './dom.ts'
import * as format from './format.ts'
import { Poll, WRITING_MS } from './poll.ts'
import { Table } from './table.ts'
import { go, type View } from './view.ts'
import type { World } from './world.ts'

const FOUND_MAX = 200

interface Row extends FlowRow {
  byteRate?: number
}

const keyOf = ({ protocol, original, zone }: FlowRow) => `${protocol} ${format.way(original)} ${zone}`
const bytesOf = ({ original, reply }: FlowRow) => original.bytes + reply.bytes
const end = (address: string, port: number | undefined) =>
  port === undefined ? address : `${address}:${port}`

/** What the reply's addresses give away: as whom the sender is seen, and to whom it really is sent. */
export function translation({ original, reply }: FlowRow): string {
  const seen = end(reply.destination, reply.destinationPort)
  const real = end(reply.source, reply.sourcePort)
  const as = seen === end(original.source, original.sourcePort) ? '' : `as ${seen}`
  const to = real === end(original.destination, original.destinationPort) ? '' : `to ${real}`
  return [as, to].filter(Boolean).join(', ')
}

/** As the why box reads it. */
export function question({ protocol, number, original }: FlowRow): string {
  const { source, destination, sourcePort, destinationPort } = original
  const name = protocol === 'unknown' ? String(number) : protocol
  return `${name} ${end(source, sourcePort)} > ${end(destination, destinationPort)}`
}

export class Flows implements View {
  readonly name = 'flows'
  readonly title = 'Flows'
  readonly element: HTMLElement
  readonly search: HTMLInputElement
  private readonly world: World
  private readonly table: Table<Row>
  private readonly poll: Poll<FlowRow[]>
  private readonly head = element('p', { class: 'summary', role: 'status' })
  private words = ''
  private found: Row[] | null = null
  private before = { time: 0, bytes: new Map<string, number>() }

  constructor(world: World) {
    this.world = world
    this.search = searchBox('Search all flows: address, prefix, :port, protocol, state, network', (text) =>
      this.seek(text),
    )
    this.table = new Table<Row>({
      ...{ label: 'Connections', sort: -7, empty: 'No connection is busy.', key: keyOf },
      pick: (row) => go('why', question(row)),
      columns: [
        { title: 'flow', kind: 'mono', text: ({ original }) => format.way(original) },
        { title: 'protocol', text: ({ protocol }) => protocol },
        {
          title: 'state',
          text: (row) => row.state ?? (row.assured ? 'assured' : row.replied ? 'replied' : 'unreplied'),
        },
        { title: 'translated', kind: 'mono', text: translation },
        {
          title: 'network',
          text: ({ network, egress }) => (egress === network ? network : `${network} → ${egress}`),
        },
        { title: 'bytes', kind: 'right', text: (row) => format.bytes(bytesOf(row)), value: bytesOf },
        {
          title: 'rate',
          kind: 'right',
          text: ({ byteRate }) => (byteRate === undefined ? '–' : format.bitRate(byteRate)),
          value: ({ byteRate }) => byteRate ?? 0,
        },
        {
          title: 'expires',
          kind: 'right wide',
          text: ({ timeoutSeconds }) => format.duration(timeoutSeconds),
          value: ({ timeoutSeconds }) => timeoutSeconds,
        },
      ],
    })
    const hint = element('p', { class: 'note' }, 'A flow that is chosen is asked about under Why.')
    this.element = element(
      'div',
      {},
      element('div', { class: 'bar' }, this.search, this.head),
      this.table.element,
      hint,
    )
    this.poll = new Poll(
      () =>
        this.words === ''
          ? null
          : `/v1/conntrack?limit=${FOUND_MAX}&search=${encodeURIComponent(this.words)}`,
      (rows) => this.take(rows),
      (message) => {
        this.found = []
        this.draw()
        this.table.fail(message)
      },
    )
  }

  open(): void {
    this.poll.start()
  }

  close(): void {
    this.poll.stop()
  }

  private seek(text: string): void {
    this.words = text
    this.before = { time: 0, bytes: new Map() }
    if (text === '') this.found = null
    this.poll.now(WRITING_MS)
    this.draw()
  }

  private take(rows: FlowRow[]): void {
    const time = performance.now()
    const seconds = (time - this.before.time) / 1000
    this.found = rows.map((row) => {
      const last = this.before.bytes.get(keyOf(row))
      return last === undefined ? row : { ...row, byteRate: Math.max(0, bytesOf(row) - last) / seconds }
    })
    this.before = { time, bytes: new Map(rows.map((row) => [keyOf(row), bytesOf(row)])) }
    this.draw()
  }

  draw(): void {
    const { flows } = this.world.sample ?? {}
    this.table.show(this.found ?? flows?.top ?? [])
    if (flows === undefined) return
    const all = `${format.count(flows.count)} of ${format.count(flows.capacity)} flows, ${format.rate(flows.created, ' new')}`
    const some = this.found?.length === FOUND_MAX ? `the first ${FOUND_MAX}` : String(this.found?.length)
    say(this.head, this.found === null ? `${all}; the busiest` : `${all}; ${some} found`)
  }
}
