/**
 * A house with guests, a gateway and the world outside, in the test's own thread: real frames through the whole dataplane. Stations answer
 * ARP by themselves; everything else that reaches them is handed to the test.
 *
 *   guests 10.0.0.11, .12 … ── gateway 10.0.0.1 ║ 198.51.100.2 ── router 198.51.100.1 ── anybody
 */
import { compile, type Numbering } from '../../src/chain/compile.ts'
import type { SetPlace } from '../../src/chain/extension.ts'
import { restore } from '../../src/chain/restore.ts'
import type { Ruleset } from '../../src/chain/rule.ts'
import { save } from '../../src/chain/save.ts'
import { numbers } from '../../src/control/names.ts'
import type { Parts } from '../../src/gateway/parts.ts'
import { timeouts } from '../../src/gateway/timeout.ts'
import type { GatewayProgram, LinkProgram, RedirectProgram } from '../../src/pipeline/program.ts'
import * as program from '../../src/pipeline/program.ts'
import * as binding from '../../src/table/binding.ts'
import * as chronicle from '../../src/table/chronicle.ts'
import * as flow from '../../src/table/flow.ts'
import * as journal from '../../src/table/journal.ts'
import { GATEWAY } from '../../src/table/mac.ts'
import * as neighbour from '../../src/table/neighbour.ts'
import * as tally from '../../src/table/tally.ts'
import { Tally } from '../../src/table/tally.ts'
import { arp, ethernet, ip, mac, type Vnet, vnet } from './frame.ts'
import { type Fed, Rig } from './rig.ts'

/** names that rules may use, by index */
const NETWORKS: Record<string, number> = { lan: 1, wan: 2 }
const PORTS: Record<string, number> = { guest0: 0, guest1: 1, guest2: 2, guest3: 3, router: 4 }
export const INSIDE = '10.0.0.1'
export const OUTSIDE = '198.51.100.2'
const ROUTER = '198.51.100.1'
/** ports of the rig */
const UPLINK = 4
const LOCAL = 5
const UPLINK_LOCAL = 6
const hardware = (port: number) => `02:00:00:00:01:${port.toString(16).padStart(2, '0')}`
const own = { [LOCAL]: '02:00:00:00:02:01', [UPLINK_LOCAL]: '02:00:00:00:02:02' }

export function int32(address: string): number {
  return ip(address).reduce((word, byte) => (word << 8) | byte, 0)
}

function words(text: string): { high: number; low: number } {
  const [a, b, c, d, e, f] = mac(text)
  return { high: (a << 8) | b, low: (c << 24) | (d << 16) | (e << 8) | f }
}

/** An IPv4 packet that somebody got, as bytes. */
export interface Got {
  packet: Uint8Array
  vnet: Uint8Array
}

export interface Settings {
  mapping?: number
  filtering?: number
  first?: number
  last?: number
  hairpin?: boolean
  redirects?: Partial<RedirectProgram>[]
  timeouts?: Record<string, number>
  flows?: number
  bindings?: number
  isolated?: boolean
  filterBridged?: boolean
  uplinkMtu?: number
  /** begins and ends of flows are written down */
  logged?: boolean
  /** frames of the pool */
  frames?: number
}

/** Guests 0 to 3 have 10.0.0.11 to .14 on ports of their own; `outside` is everybody else. */
export class House {
  readonly rig: Rig
  readonly memory: Omit<GatewayProgram, 'timeouts' | 'redirects' | 'names'>
  private numbering: Numbering | null = null
  private ruleset: Ruleset | null = null
  /** what stations got and the test did not look at yet, by port */
  private readonly kept: Got[][] = [[], [], [], [], []]

  constructor(settings: Settings = {}) {
    const guests = [0, 1, 2, 3].map(() => ({ network: 1 }))
    const local = { local: true, gateway: true, offloads: 0 }
    const ports = [...guests, { network: 2 }, { network: 1, ...local }, { network: 2, ...local }]
    const fixed = (port: keyof typeof own) => [{ ...words(own[port]), port, kind: GATEWAY }]
    const networks = [{ fixed: fixed(LOCAL) }, { fixed: fixed(UPLINK_LOCAL) }]
    this.rig = new Rig({ networks, ports, ...(settings.frames ? { frames: settings.frames } : {}) })
    const { arena } = this.rig
    const { flows: flowCapacity = 1024, bindings: bindingCapacity = 1024 } = settings
    this.memory = {
      flowsAt: arena.allocate('flows', flow.lengthOf(flowCapacity)).at,
      flowCapacity,
      bindingsAt: arena.allocate('bindings', binding.lengthOf(bindingCapacity)).at,
      bindingCapacity,
      neighboursAt: arena.allocate('neighbours', neighbour.lengthOf(64)).at,
      neighbourCapacity: 64,
      tallyAt: arena.allocate('tally', tally.LENGTH).at,
      journalAt: arena.allocate('journal', journal.lengthOf()).at,
      chronicleAt: settings.logged ? arena.allocate('chronicle', chronicle.lengthOf()).at : 0,
    }
    this.set(settings)
    this.exchange()
  }

  /** Swaps in other settings. */
  set(settings: Settings): void {
    const { rig } = this
    const inside = link(program.GUESTS, LOCAL, INSIDE)
    inside.uplink = 2
    inside.isolated = settings.isolated ?? false
    inside.translation = {
      mapping: settings.mapping ?? program.ENDPOINT_INDEPENDENT,
      filtering: settings.filtering ?? program.ADDRESS_AND_PORT_DEPENDENT,
      first: settings.first ?? 1024,
      last: settings.last ?? 65535,
      hairpin: settings.hairpin ?? true,
    }
    const outside = link(program.NIC_UPLINK, UPLINK_LOCAL, OUTSIDE)
    outside.router = int32(ROUTER)
    const mtus = [1500, settings.uplinkMtu ?? 1500]
    rig.networks = rig.networks.map((network, n) => ({
      ...network,
      mtu: mtus[n],
      link: [inside, outside][n],
      filterBridged: n === 0 && settings.filterBridged === true,
    }))
    const redirects = (settings.redirects ?? []).map((given) => ({
      network: 2,
      protocol: 17,
      address: int32(OUTSIDE),
      first: 0,
      last: 0,
      to: 0,
      toFirst: 0,
      masquerade: false,
      mutual: false,
      ...given,
    }))
    rig.gateway = { ...this.memory, timeouts: timeouts(settings.timeouts), redirects, names: null }
    rig.apply()
  }

  /**
   * Puts rules in force. Names: `lan` and `wan` are the networks of the guests and of the uplink, guest0 to guest3 and router their ports.
   * `sets` says where the sets are that the rules use.
   */
  rules(text: string, sets: (name: string) => SetPlace | null = () => null): void {
    const ruleset = restore(text)

    const kindOf = (name: string) =>
      name in NETWORKS ? ('network' as const) : name in PORTS ? ('port' as const) : null
    const { plan, numbering } = compile(ruleset, { kindOf, set: sets }, this.numbering)
    const indexed = (all: Record<string, number>) =>
      Object.entries(all).map(([name, index]) => ({ name, index }))
    plan.names = numbers(numbering, indexed(NETWORKS), indexed(PORTS))
    this.ruleset = ruleset
    this.numbering = numbering
    this.rig.swap.rules(plan)
    while (!this.rig.swap.prepare(1000));
    this.rig.gateway = { ...this.rig.gateway!, names: plan.names }
  }

  /** The rules in force as iptables-save -c prints them. */
  saved(): string {
    const { counters } = this.numbering!
    const counts = new Tally(this.rig.arena, this.memory.tallyAt).read(counters.length)
    return save(
      this.ruleset!,
      (table, chain, index) => {
        const n = counters.findIndex(
          (each) => each.table === table && each.chain === chain && each.index === index,
        )
        return [counts[2 * n], counts[2 * n + 1]]
      },
      true,
    )
  }

  /** A guest sends an IPv4 packet to its gateway. */
  guest(number: number, packet: Uint8Array, header?: Vnet): void {
    this.rig.send(number, frame(own[LOCAL], hardware(number), packet, header))
  }

  /** A guest sends a packet to another one, past the gateway. */
  across(from: number, to: number, packet: Uint8Array): void {
    this.rig.send(from, frame(hardware(to), hardware(from), packet))
  }

  /** The router passes on a packet from outside. */
  outside(packet: Uint8Array, header?: Vnet): void {
    this.rig.send(UPLINK, frame(own[UPLINK_LOCAL], hardware(UPLINK), packet, header))
  }

  /** The frame in which a guest, or as -1 the router, sends a packet to the gateway, and the port that it comes by. */
  wrap(from: number, packet: Uint8Array): { port: number; frame: Uint8Array } {
    const port = from < 0 ? UPLINK : from
    return { port, frame: frame(own[from < 0 ? UPLINK_LOCAL : LOCAL], hardware(port), packet).frame }
  }

  /** IPv4 packets that guest `number` got since the last call. */
  atGuest(number: number): Got[] {
    this.exchange()
    return this.kept[number].splice(0)
  }

  atOutside(): Got[] {
    this.exchange()
    return this.kept[UPLINK].splice(0)
  }

  /** Drops of all ports together, by reason. */
  drops(): Record<string, number> {
    const all: Record<string, number> = {}
    for (let port = 0; port <= UPLINK_LOCAL; port++)
      for (const [name, count] of Object.entries(this.rig.drops(port))) all[name] = (all[name] ?? 0) + count
    return all
  }

  /** The parts of the gateway, to look at what they hold. */
  get parts(): Parts {
    return this.rig.dataplane.gateway!['parts']
  }

  close(): void {
    this.rig.close()
  }

  /** Lets stations answer ARP until nobody asks any more. */
  private exchange(): void {
    for (let asked = true; asked; ) {
      asked = false
      for (let port = 0; port <= UPLINK; port++) {
        for (const { frame, vnet } of this.rig.taken(port)) {
          const type = (frame[12] << 8) | frame[13]
          if (type === 0x0800) this.kept[port].push({ packet: frame.slice(14), vnet })
          else if (type === 0x0806 && this.answer(port, frame)) asked = true
        }
      }
    }
  }

  /** Answers if the frame is a question for a station's MAC. */
  answer(port: number, frame: Uint8Array): boolean {
    const sought = [...frame.subarray(38, 42)].join('.')
    const isAnswered = port === UPLINK ? sought === ROUTER : sought === `10.0.0.${11 + port}`
    if (frame[21] !== 1 || !isAnswered) return false
    const asker = [...frame.subarray(22, 28)].map((byte) => byte.toString(16)).join(':')
    const address = [...frame.subarray(28, 32)].join('.')
    const reply = arp(2, [hardware(port), sought], [asker, address])
    this.rig.send(port, ethernet(asker, hardware(port), 0x0806, reply))
    return true
  }
}

function link(role: number, port: keyof typeof own, address: string): LinkProgram {
  return {
    role,
    port,
    ...words(own[port]),
    address: int32(address),
    prefix: 24,
    uplink: -1,
    router: 0,
    routerMac: null,
    routed: false,
    isolated: false,
    translation: null,
    refused: [],
    services: 0,
    intercept: false,
  }
}

function frame(to: string, from: string, packet: Uint8Array, header?: Vnet): Fed {
  const bytes = ethernet(to, from, 0x0800, packet)
  return header === undefined ? { frame: bytes } : { frame: bytes, vnet: vnet(header) }
}
