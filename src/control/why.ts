/** `why`: what would happen to a packet now, and why: told by walking it through what the worker has, without sending anything. */
import { makeMatcher } from '../chain/matchers.ts'
import { AT, COUNT, END, LENGTH, NETWORK, NOW, TRANSPORT } from '../chain/registers.ts'
import type { Ruleset } from '../chain/rule.ts'
import type { Scene, Step } from '../chain/walk.ts'
import { Standing } from '../gateway/standing.ts'
import { SERVICES } from '../pipeline/program.ts'
import type { FlowTable } from '../table/flow.ts'
import { NETWORKS, WORDS } from '../table/flow.ts'
import * as ethernet from '../wire/ethernet.ts'
import { ipv4Text } from './address.ts'
import * as flows from './flows.ts'
import { Journey } from './journey.ts'
import { monotonicMs } from './listing.ts'
import { lay, type Parcel, portsOf, print, read } from './parcel.ts'
import type { Plant } from './plant.ts'
import type { SetDirectory } from './rules.ts'
import { type Entry, Terrain } from './terrain.ts'
import { ICMP, type Known, TCP, type Verdict } from './traveller.ts'

/** A rule or policy that the packet came by. */
export type RuleStep = Step

export interface StageRow {
  /** `filter FORWARD`, or what the gateway does beside the chains: conntrack, route, published, translation, … */
  title: string
  says: string
  rules: RuleStep[]
}

export interface WhyRow extends Verdict {
  /** as it is understood */
  flow: string
  network: string
  /** null where nobody knows by which port it comes */
  port: string | null
  /** what conntrack says of it */
  state: string
  /** the connection that it belongs to, null if there is none */
  connection: flows.FlowRow | null
  stages: StageRow[]
  /** addresses and ports as it leaves */
  source: string
  destination: string
  egress: string | null
  nextHop: string | null
  /** matches that remember other packets: all were taken to match */
  depends: string[]
}

const ACK = 0x10
/** Room for two flows of the walker's own: the one that may begin, and the packet's. */
const FLOWS = 2
/** A page for the packet, and where its Ethernet header stands in it. */
const PAGE = 4096
const FRAME = 128

/** Walks the packet that the text describes; throws a Refusal if the text, or the way that it comes, is not understood. */
export function why(plant: Plant, ruleset: Ruleset, sets: SetDirectory, text: string, port?: string): WhyRow {
  const parcel = read(text)
  const terrain = new Terrain(plant)
  const entry = terrain.entry(parcel.source, parcel.destination, port)
  const source = flows.source(plant)
  const known = connection(source, terrain, parcel, entry)
  if (parcel.protocol === TCP && parcel.flags === null && known !== null) parcel.flags = ACK
  const { at } = plant.arena.allocate('why', PAGE)
  try {
    const scene = sceneOf(plant, terrain, sets)
    place(scene, terrain, parcel, entry, at + FRAME)
    return told(
      new Journey(ruleset, scene, terrain, parcel, entry, known),
      parcel,
      entry,
      known,
      terrain,
      source,
    )
  } finally {
    plant.arena.free('why')
  }
}

/** The connection that the packet belongs to, null if there is none. */
function connection(
  source: flows.FlowSource,
  terrain: Terrain,
  parcel: Parcel,
  { isOwn }: Entry,
): Known | null {
  const key = { protocol: parcel.protocol, zone: 0, isExact: parcel.protocol !== ICMP || parcel.id !== null }
  const ends = { source: parcel.source, destination: parcel.destination, ports: portsOf(parcel) }
  const known = flows.search(source, { ...key, ...ends })
  if (known !== null || !isOwn || parcel.protocol !== TCP) return known
  // A service of ours says as the gateway what it hears elsewhere.
  const { ports } = ends
  const asked = {
    source: parcel.destination,
    destination: parcel.source,
    ports: (ports << 16) | (ports >>> 16),
  }
  const question = flows.search(source, { ...key, ...asked })
  const isServed =
    question?.direction === 0 && terrain.links.at[question.words[NETWORKS] & 0xffff]?.role === SERVICES
  return isServed ? { ...question, direction: 1 } : null
}

function sceneOf({ arena }: Plant, terrain: Terrain, sets: SetDirectory): Scene {
  const f64 = new Float64Array((FLOWS * WORDS) / 2)
  const words = new Int32Array(f64.buffer)
  const footing = {
    arena,
    flows: { words, f64 } as unknown as FlowTable,
    addresses: new Standing(terrain.links),
    x: new Int32Array(COUNT),
    journalAt: 0,
  }
  const { view } = arena
  const kindOf = (name: string) => terrain.kindOf(name)
  return { footing, view, words, make: makeMatcher, kindOf, set: (name) => sets.place(name) }
}

/** Lays the frame down, and says in the registers where. */
function place(scene: Scene, terrain: Terrain, parcel: Parcel, entry: Entry, at: number): void {
  const { x } = scene.footing
  const { view } = scene
  const network = at + ethernet.HEADER_LENGTH
  const sender = terrain.station(entry.network, parcel.source)
  ethernet.setDestination(view, at, entry.link?.high ?? 0, entry.link?.low ?? 0)
  ethernet.setSource(view, at, sender.high, sender.low)
  ethernet.setType(view, at, ethernet.TYPE_IPV4)
  x[AT] = at
  x[NETWORK] = network
  x[TRANSPORT] = network + 20
  x[LENGTH] = lay(parcel, view, network)
  x[END] = network + x[LENGTH]
  x[NOW] = monotonicMs()
}

function told(
  journey: Journey,
  parcel: Parcel,
  { network, member }: Entry,
  known: Known | null,
  terrain: Terrain,
  source: flows.FlowSource,
): WhyRow {
  const verdict = journey.run()
  const { stages, state, egress, nextHop } = journey
  const all = stages.flatMap(({ rules }) => rules)
  return {
    flow: print(parcel),
    network,
    port: member?.spec.name ?? null,
    state,
    connection: known === null ? null : flows.row(known.words, source),
    stages,
    source: journey.source,
    destination: journey.destination,
    egress: egress === null ? null : terrain.nameOf(egress),
    nextHop: nextHop === 0 ? null : ipv4Text(nextHop),
    depends: [...new Set(all.flatMap(({ depends }) => depends))],
    ...verdict,
  }
}
