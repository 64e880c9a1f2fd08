/** A packet on its way through the gateway, as the chains see it: its registers, its connection, the chains that it meets, and what is told of it. */
import * as r from '../chain/registers.ts'
import type { Hook, Ruleset, TableName } from '../chain/rule.ts'
import { type Scene, type Step, Walk } from '../chain/walk.ts'
import { inversePorts } from '../gateway/conntrack.ts'
import type { Link } from '../gateway/link.ts'
import type { Packet } from '../gateway/packet.ts'
import type { Standing } from '../gateway/standing.ts'
import { combinations, INVALID, NONE, rowOf, transitions } from '../gateway/transition.ts'
import * as reason from '../pipeline/reason.ts'
import * as flow from '../table/flow.ts'
import { ipv4Text } from './address.ts'
import { type Parcel, print } from './parcel.ts'
import type { Entry } from './terrain.ts'

/** One thing that happens to the packet: a base chain, or what the gateway does beside the chains. */
export interface Stage {
  title: string
  says: string
  rules: Step[]
}

export interface Verdict {
  verdict: 'passes' | 'dropped' | 'rejected'
  /** a drop reason's name, null for what passes */
  reason: string | null
  text: string
}

/** What is known of the packet's connection. */
export interface Known {
  words: Int32Array
  direction: number
}

export const ICMP = 1
export const TCP = 6
export const UDP = 17
const PORTED = [TCP, UDP, 33, 132, 136]
const QUERIES = [8, 13, 15, 17]
/** place of the packet's own flow among the walker's words; flow 0 is the one that a first packet may make */
const OWN_FLOW = 1

export class Traveller {
  readonly stages: Stage[] = []
  state = 'NEW'
  /** what the packet bears when it leaves, as long as that is known */
  source: string
  destination: string
  protected readonly ruleset: Ruleset
  protected readonly scene: Scene
  protected readonly packet: Packet
  protected readonly parcel: Parcel
  protected readonly entry: Entry
  protected known: Known | null
  protected readonly walk: Walk
  protected readonly x: Int32Array
  /** what addresses are, for rules that ask */
  private readonly standing: Standing

  /** The packet lies in the scene's view, and the registers AT to END say where. */
  constructor(
    ruleset: Ruleset,
    scene: Scene,
    packet: Packet,
    parcel: Parcel,
    entry: Entry,
    known: Known | null,
  ) {
    this.ruleset = ruleset
    this.scene = scene
    this.packet = packet
    this.parcel = parcel
    this.entry = entry
    this.known = known
    this.walk = new Walk(ruleset, scene)
    this.x = scene.footing.x
    this.standing = scene.footing.addresses as Standing
    this.source = this.end(parcel.source, parcel.sourcePort)
    this.destination = this.end(parcel.destination, parcel.destinationPort)
  }

  /** Fills the registers as for a packet that has just come in. */
  protected enter(): void {
    const { x, parcel, entry, walk, packet } = this
    const { view } = this.scene
    x[r.SOURCE] = parcel.source
    x[r.DESTINATION] = parcel.destination
    x[r.PROTOCOL] = parcel.protocol
    x[r.PORTS] =
      x[r.TRANSPORT] + 4 > x[r.END] || !PORTED.includes(parcel.protocol) ? 0 : view.getInt32(x[r.TRANSPORT])
    if (parcel.protocol === ICMP) x[r.PORTS] = (parcel.type << 8) | parcel.code
    x[r.STATE] = r.STATE_INVALID
    if (!entry.isOwn) {
      x[r.IN_NETWORK] = walk.number(entry.network)
      x[r.IN_PORT] = walk.number(entry.member?.spec.name ?? '')
    }
    this.standing.ingress = entry.isOwn ? null : entry.link
    packet.source = parcel.source
    packet.destination = parcel.destination
    packet.protocol = parcel.protocol
    packet.ports =
      parcel.protocol === TCP || parcel.protocol === UDP
        ? x[r.PORTS]
        : parcel.protocol === ICMP
          ? ((parcel.id ?? 0) << 16) | x[r.PORTS]
          : 0
    packet.replySource = parcel.destination
    packet.replyDestination = parcel.source
    packet.replyPorts = inversePorts(parcel.protocol, packet.ports)
    if (entry.link !== null) packet.ingress = entry.link
  }

  /** What conntrack says. */
  protected track(): void {
    const { x, known } = this
    const { words } = this.scene
    if (x[r.NOTRACK] !== 0) {
      this.state = 'UNTRACKED'
      this.known = null
      x[r.STATE] = r.STATE_UNTRACKED
      this.tell('conntrack', 'UNTRACKED: a rule of the raw table says so')
      return
    }
    if (known !== null) {
      words.set(known.words, OWN_FLOW * flow.WORDS)
      this.count(OWN_FLOW, known.direction)
      const isAnswered = (known.words[flow.STATUS] & flow.SEEN_REPLY) !== 0 || known.direction === 1
      if (known.direction === 1) words[OWN_FLOW * flow.WORDS + flow.STATUS] |= flow.SEEN_REPLY
      this.state = isAnswered ? 'ESTABLISHED' : 'NEW'
      x[r.STATE] = isAnswered ? r.STATE_ESTABLISHED : r.STATE_NEW
      x[r.FLOW] = OWN_FLOW
      x[r.DIRECTION] = known.direction
      const side = known.direction === 0 ? 'original' : 'reply'
      this.tell(
        'conntrack',
        `${this.state}: the packet belongs to a connection, in ${side} direction; nat rules are not consulted again`,
      )
      return
    }
    this.state = this.isOpening() ? 'NEW' : 'INVALID'
    x[r.STATE] = this.state === 'NEW' ? r.STATE_NEW : r.STATE_INVALID
    this.tell(
      'conntrack',
      this.state === 'NEW'
        ? 'NEW: no connection is known that it belongs to'
        : 'INVALID: it belongs to no known connection and opens none',
    )
    if (this.state === 'NEW') this.tentative()
  }

  /** Writes the flow that the packet would make where rules look for it. */
  protected tentative(): void {
    const { words } = this.scene
    const { packet } = this
    words[flow.SOURCE] = packet.source
    words[flow.DESTINATION] = packet.destination
    words[flow.PORTS] = packet.ports
    words[flow.STATUS] = packet.protocol
    this.count(0, 0)
    words[flow.REPLY + flow.SOURCE] = packet.replySource
    words[flow.REPLY + flow.DESTINATION] = packet.replyDestination
    words[flow.REPLY + flow.PORTS] = packet.replyPorts
  }

  /** Rules see connections with the packet counted. */
  private count(which: number, direction: number): void {
    const { words } = this.scene
    words[which * flow.WORDS + flow.PACKETS + direction]++
    new Float64Array(words.buffer)[(which * flow.WORDS) / 2 + flow.BYTES + direction] += this.x[r.LENGTH]
  }

  protected isOpening(): boolean {
    const { protocol, type, flags } = this.parcel
    if (protocol === ICMP) return QUERIES.includes(type)
    if (protocol !== TCP) return true
    const bits = flags ?? 2
    const kind = bits & 4 ? 4 : bits & 2 ? (bits & 16 ? 1 : 0) : bits & 1 ? 2 : bits & 16 ? 3 : -1
    return combinations[bits & 0x37] !== 0 && kind >= 0 && transitions[rowOf(0, kind) + NONE] !== INVALID
  }

  /** From here on the packet goes to another place. */
  protected move(destination: number, port: number): void {
    const { x, parcel, known, packet } = this
    const { words } = this.scene
    x[r.DESTINATION] = destination
    if (parcel.protocol !== ICMP && port > 0) x[r.PORTS] = (x[r.PORTS] & ~0xffff) | port
    if (known !== null || this.state !== 'NEW') return
    words[flow.REPLY + flow.SOURCE] = packet.replySource
    words[flow.REPLY + flow.PORTS] = packet.replyPorts
    const isOther = parcel.protocol !== ICMP && port > 0 && port !== parcel.destinationPort
    if (isOther || destination !== parcel.destination) words[flow.STATUS] |= flow.DNAT
  }

  protected out(network: string, link: Link | null, member: Entry['member']): void {
    this.standing.egress = link
    const { x, walk } = this
    x[r.OUT_NETWORK] = walk.number(network)
    x[r.OUT_PORT] = member === null || member.spec.hidden ? 0 : walk.number(member.spec.name)
  }

  /** Walks a base chain, if there is one. */
  protected ask(table: TableName, hook: Hook): number {
    if (!this.ruleset.tables.has(table)) return r.ACCEPT
    const { steps } = this.walk
    const before = steps.length
    const verdict = this.walk.run(table, hook)
    this.stages.push({ title: `${table} ${hook}`, says: '', rules: steps.slice(before) })
    return verdict
  }

  /** As `ask`, for hooks that only let pass or not: null if they do. */
  protected permits(table: TableName, hook: Hook): Verdict | null {
    const verdict = this.ask(table, hook)
    if (verdict === r.DROP) return this.ended(reason.RULE_DROPPED)
    return verdict === r.REJECTED ? this.ended(reason.RULE_REJECTED) : null
  }

  /** The rule that was met last has ended the packet. */
  protected ended(why: number): Verdict {
    const step = this.walk.steps.at(-1) as Step
    const line = step.line > 0 ? `, line ${step.line}` : ''
    const place = step.text.startsWith('policy ')
      ? `${step.text} of chain ${step.chain}`
      : `rule ${step.rule} of chain ${step.chain}${line}: ${step.text}`
    const verdict = why === reason.RULE_REJECTED ? 'rejected' : 'dropped'
    return { verdict, reason: reason.REASONS[why].name, text: `${step.table} ${place}` }
  }

  protected drop(why: number, detail: string): Verdict {
    const { name, meaning } = reason.REASONS[why]
    return { verdict: 'dropped', reason: name, text: `${meaning} (${detail})` }
  }

  protected tell(title: string, says: string): void {
    this.stages.push({ title, says, rules: [] })
  }

  protected end(address: number, port: number): string {
    return PORTED.includes(this.parcel.protocol) ? `${ipv4Text(address)}:${port}` : ipv4Text(address)
  }

  protected isTranslated(): boolean {
    return (
      this.source !== this.end(this.parcel.source, this.parcel.sourcePort) ||
      this.destination !== this.end(this.parcel.destination, this.parcel.destinationPort)
    )
  }

  protected tuple(): string {
    return `${print(this.parcel).split(' ')[0]} ${this.source} > ${this.destination}`
  }
}
