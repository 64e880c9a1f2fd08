/** The gateway's interfaces as the workers get them: one on each network that it serves, and one on each way outside. */
import * as program from '../pipeline/program.ts'
import * as mac from '../wire/mac.ts'
import { cidr, ipv4 } from './address.ts'
import type { Net } from './compile.ts'
import type { Behaviour, NetworkConfiguration } from './configuration.ts'
import { hasLink } from './gateway.ts'
import type { Ground } from './ground.ts'
import type { Member } from './member.ts'
import { localName, uplinkName } from './wiring.ts'

/** Where the gateway sits outside: its address there, the router, and the router's MAC where that is known. */
export interface Seat {
  address: number
  prefix: number
  /** 0 if there is none */
  router: number
  routerMac: { high: number; low: number } | null
}

const BEHAVIOURS: Record<Behaviour, number> = {
  'endpoint-independent': program.ENDPOINT_INDEPENDENT,
  'address-dependent': program.ADDRESS_DEPENDENT,
  'address-and-port-dependent': program.ADDRESS_AND_PORT_DEPENDENT,
}

/** A link that answers for nobody and leads nowhere: it is there because the rules look at what is bridged. */
const watching = {
  address: 0,
  prefix: 0,
  uplink: -1,
  router: 0,
  routerMac: null,
  routed: false,
  translation: null,
  refused: [],
  services: 0,
  intercept: true,
}

function translation({ mode, nat }: NetworkConfiguration): program.TranslationProgram | null {
  if (mode !== 'nat') return null
  const { first, last, hairpin } = nat
  return { mapping: BEHAVIOURS[nat.mapping], filtering: BEHAVIOURS[nat.filtering], first, last, hairpin }
}

function services({ dhcp, dns }: NetworkConfiguration): number {
  return (dhcp === null ? 0 : program.DHCP) | (dns === null ? 0 : program.DNS)
}

/** The gateway's interface on a network, null if it has none there. */
export function link(
  net: Net,
  nets: Map<string, Net>,
  members: Map<string, Member>,
  ground: Ground,
): program.LinkProgram | null {
  const local = members.get(localName(net.name, net.role))
  if (local?.spec.type !== 'local') return null
  const { configuration, role } = net
  const own = mac.parse(local.spec.mac!)!
  const common = { role, port: local.index, ...own, isolated: configuration.isolated }
  if (role !== program.GUESTS) {
    const seat = ground.seats.get(net.name) ?? { address: 0, prefix: 0, router: 0, routerMac: null }
    // Answers to our own client come to the control thread.
    const asks = configuration.uplink.kind === 'nic' && configuration.uplink.address === 'dhcp'
    const closed = {
      uplink: -1,
      routed: false,
      translation: null,
      refused: [],
      services: asks ? program.DHCP : 0,
      intercept: false,
    }
    return { ...common, ...closed, ...seat }
  }
  if (!hasLink(configuration)) return { ...common, ...watching }
  const subnet = cidr(configuration.subnet?.text ?? '')
  return {
    ...common,
    address: ipv4(configuration.gateway ?? '') ?? 0,
    prefix: subnet?.prefix ?? 0,
    uplink: nets.get(uplinkName(net.name))?.index ?? -1,
    router: 0,
    routerMac: null,
    routed: configuration.mode === 'routed',
    translation: translation(configuration),
    refused: configuration.hostAccess ? [] : ground.host,
    services: services(configuration),
    intercept: configuration.mode === 'host-only',
  }
}
