/** The sections of `bridgeport top` as tables: which rows, in which order, with which columns. */
import type { WayRow } from '../../control/flows.ts'
import type { TopFlow } from '../../control/live/live.ts'
import { type Field, type Grid, grid } from './grid.ts'
import { type Style, scaled } from './line.ts'
import { type DropLine, type PortLine, portRate, type Summary } from './summary.ts'
import type { Section, Sort, View } from './view.ts'

/** Columns of a worker's load. */
const BAR = 20
/** Ports that are told for a reason. */
const NAMED = 3

const bits = (bytes: number) => scaled(bytes * 8)
const lossy = (rate: number): Style => (rate > 0 ? 'red' : 'plain')

const portFields: Field<PortLine>[] = [
  { title: 'PORTS', text: ({ name }) => name, worth: 0 },
  { title: 'NETWORK', text: ({ network }) => network, worth: 5 },
  {
    title: 'STATE',
    text: ({ state }) => state,
    worth: 4,
    style: ({ state }) => (state === 'up' ? 'green' : 'yellow'),
  },
  { title: 'RX bit/s', text: (row) => bits(row.rxByteRate), worth: 0, isNumber: true },
  { title: 'TX bit/s', text: (row) => bits(row.txByteRate), worth: 0, isNumber: true },
  { title: 'RX frames/s', text: (row) => scaled(row.rxFrameRate), worth: 3, isNumber: true },
  { title: 'TX frames/s', text: (row) => scaled(row.txFrameRate), worth: 3, isNumber: true },
  {
    title: 'DROPS/s',
    text: ({ dropRate }) => scaled(dropRate),
    worth: 1,
    isNumber: true,
    style: ({ dropRate }) => lossy(dropRate),
  },
]

function end(address: string, port: number | undefined): string {
  return port === undefined ? address : `${address}:${port}`
}

function way({ source, sourcePort, destination, destinationPort, type, code, id }: WayRow): string {
  const query = type === undefined ? '' : ` type ${type}/${code} id ${id}`
  return `${end(source, sourcePort)} > ${end(destination, destinationPort)}${query}`
}

/** What the reply shows of translation: to whom packets are led instead, and as whom their sender appears. */
function translation({ original, reply }: TopFlow): string {
  const to = end(reply.source, reply.sourcePort)
  const as = end(reply.destination, reply.destinationPort ?? reply.id)
  return [
    ...(to === end(original.destination, original.destinationPort) ? [] : [`to ${to}`]),
    ...(as === end(original.source, original.sourcePort ?? original.id) ? [] : [`as ${as}`]),
  ].join(' ')
}

const flowFields: Field<TopFlow>[] = [
  { title: 'FLOWS', text: ({ original }) => way(original), worth: 0 },
  { title: 'NAT', text: translation, worth: 3 },
  { title: 'PROTO', text: ({ protocol }) => protocol, worth: 4 },
  { title: 'STATE', text: ({ state }) => state ?? '', worth: 5 },
  { title: 'bit/s', text: ({ byteRate }) => bits(byteRate), worth: 0, isNumber: true },
  { title: 'packets/s', text: ({ packetRate }) => scaled(packetRate), worth: 2, isNumber: true },
]

/** The ports where a reason dropped most, and how many more there are. */
function whereabouts({ ports }: DropLine): string {
  const names = Object.entries(ports)
    .sort(([, a], [, b]) => b - a)
    .map(([name]) => name)
  const more = names.length - NAMED
  return [...names.slice(0, NAMED), ...(more > 0 ? [`+${more}`] : [])].join(' ')
}

const dropFields: Field<DropLine>[] = [
  { title: 'DROPS', text: ({ reason }) => reason, worth: 0 },
  {
    title: 'DROPS/s',
    text: ({ dropRate }) => scaled(dropRate),
    worth: 0,
    isNumber: true,
    style: ({ dropRate }) => lossy(dropRate),
  },
  { title: 'TOTAL', text: ({ total }) => scaled(total), worth: 1, isNumber: true },
  { title: 'PORTS', text: whereabouts, worth: 2 },
]

type Worker = Summary['workers'][number] & { worker: number }

function bar({ busy }: Worker): string {
  const full = Math.min(Math.max(Math.round(busy * BAR), 0), BAR)
  return `[${'#'.repeat(full)}${' '.repeat(BAR - full)}]`
}

const workerFields: Field<Worker>[] = [
  { title: 'WORKERS', text: ({ worker }) => String(worker), worth: 0 },
  { title: 'busy', text: ({ busy }) => `${Math.round(busy * 100)} %`, worth: 0, isNumber: true },
  {
    title: '',
    text: bar,
    worth: 2,
    style: ({ busy }) => (busy > 0.9 ? 'red' : busy > 0.6 ? 'yellow' : 'green'),
  },
  { title: 'frames/s', text: ({ frames }) => scaled(frames), worth: 1, isNumber: true },
]

/** A section's rows: what is shown of one, what the filter looks at, and by what they are sorted; without a key, by rate. */
interface Kind<T> {
  fields: readonly Field<T>[]
  text: (row: T) => string
  keys: Partial<Record<Sort, (row: T) => number>> & { rate: (row: T) => number }
}

const portKind: Kind<PortLine> = {
  fields: portFields,
  text: ({ name, network, state }) => `${name} ${network} ${state}`,
  keys: {
    rate: portRate,
    count: ({ rxFrameRate, txFrameRate }) => rxFrameRate + txFrameRate,
    drops: ({ dropRate }) => dropRate,
  },
}

const flowKind: Kind<TopFlow> = {
  fields: flowFields,
  text: ({ original, reply, protocol, state, network, egress }) =>
    `${way(original)} ${way(reply)} ${protocol} ${state ?? ''} ${network} ${egress}`,
  keys: { rate: ({ byteRate }) => byteRate, count: ({ packetRate }) => packetRate },
}

const dropKind: Kind<DropLine> = {
  fields: dropFields,
  text: ({ reason, ports }) => `${reason} ${Object.keys(ports).join(' ')}`,
  keys: { rate: ({ dropRate }) => dropRate, count: ({ total }) => total },
}

/** The rows that the filter leaves, the greatest first, or in the order of names. */
function table<T>(
  rows: readonly T[],
  { fields, text, keys }: Kind<T>,
  { filter, sort }: View,
  width: number,
): Grid {
  const wanted = filter.toLowerCase()
  const found = rows.filter((row) => text(row).toLowerCase().includes(wanted))
  const key = keys[sort] ?? keys.rate
  const order =
    sort === 'name'
      ? (a: T, b: T) => text(a).localeCompare(text(b), 'en', { numeric: true })
      : (a: T, b: T) => key(b) - key(a)
  return grid(found.sort(order), fields, width)
}

/** Every section with all its rows. */
export function grids(
  { workers, ports, flows, drops }: Summary,
  view: View,
  width: number,
): Record<Section, Grid> {
  const numbered = workers.map((row, worker) => ({ worker, ...row }))
  return {
    workers: grid(numbered, workerFields, width),
    ports: table(ports, portKind, view, width),
    flows: table(flows.top, flowKind, view, width),
    drops: table(drops, dropKind, view, width),
  }
}
