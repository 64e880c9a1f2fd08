/** The networks that stand side by side on one host, one for every row of the matrix, and the addresses that everybody has. */
import { PUBLISHED } from './station.ts'

/** The host's card towards the world, which routes nothing for anybody. */
export const HOST = '192.0.2.2'
export const WORLD = '192.0.2.1'

/** A network of the plan: all its addresses follow from its number. */
export interface Plot {
  name: string
  number: number
  /** as in the first column of the table */
  title: string
  settings: object
  /** a card of its own leads out, not the host's stack */
  hasCard: boolean
  /** no subnet: machines choose their addresses themselves */
  isBare: boolean
}

export const guest = (n: number) => `10.${n}.0.11`
export const process = (n: number) => `10.${n}.0.12`
export const gateway = (n: number) => `10.${n}.0.1`
/** ends of the link into the host's stack */
export const hostEnd = (n: number) => `100.64.${n}.1`
export const ownEnd = (n: number) => `100.64.${n}.2`
/** the switch and the world on the LAN of a card */
export const onCard = (n: number) => `198.18.${n}.2`
export const behindCard = (n: number) => `198.18.${n}.1`
/** host ports that lead to the guest and to the process */
export const toGuest = (n: number) => 8000 + n
export const toProcess = (n: number) => 8100 + n
export const card = (n: number) => `card${n}`

const subnet = (n: number) => ({ subnet: `10.${n}.0.0/24` })
const link = (n: number) => ({ uplink: { host: { link: `100.64.${n}.0/30` } } })
const nic = (n: number) => ({
  uplink: { nic: card(n), address: `${onCard(n)}/24`, gateway: behindCard(n) },
})
const publish = (n: number) => ({
  publish: [`tcp::${toGuest(n)}-${guest(n)}:${PUBLISHED}`, `tcp::${toProcess(n)}-${process(n)}:${PUBLISHED}`],
})

function plot(name: string, number: number, title: string, settings: object): Plot {
  const { uplink } = settings as { uplink?: unknown }
  const hasCard = typeof uplink === 'object' && 'nic' in (uplink as object)
  return { name, number, title, settings, hasCard, isBare: !('subnet' in settings) }
}

/** What names mean in rows: `guest` and `process` of the row's network are `NAME` and `NAME-p` among the stations. */
export const plots = {
  nat: plot('nat', 1, 'nat', { mode: 'nat', ...subnet(1), ...link(1), ...publish(1) }),
  solo: plot('solo', 2, 'nat, isolated', {
    ...{ mode: 'nat', isolated: true },
    ...subnet(2),
    ...link(2),
    ...publish(2),
  }),
  lab: plot('lab', 3, 'host-only', { mode: 'host-only', ...subnet(3) }),
  dark: plot('dark', 4, 'internal', { mode: 'internal', ...subnet(4) }),
  bare: plot('bare', 5, 'internal, no subnet', { mode: 'internal' }),
  lan: plot('lan', 6, 'bridged', { mode: 'bridged', uplink: { nic: card(6) } }),
  home: plot('home', 7, 'bridged, host', {
    ...{ mode: 'bridged', uplink: { nic: card(7) } },
    ...{ ...subnet(7), host: { ifname: 'bp-home', address: '10.7.0.2/24' } },
  }),
  open: plot('open', 8, 'routed', { mode: 'routed', ...subnet(8), ...link(8) }),
  shut: plot('shut', 9, 'nat, hostAccess: false', {
    ...{ mode: 'nat', hostAccess: false },
    ...subnet(9),
    ...link(9),
  }),
  street: plot('street', 10, 'nat, uplink nic', { mode: 'nat', ...subnet(10), ...nic(10), ...publish(10) }),
  cell: plot('cell', 11, 'nat, isolated, uplink nic', {
    ...{ mode: 'nat', isolated: true },
    ...subnet(11),
    ...nic(11),
    ...publish(11),
  }),
  road: plot('road', 12, 'routed, uplink nic', { mode: 'routed', ...subnet(12), ...nic(12) }),
  end: plot('end', 13, 'nat, uplink none', { mode: 'nat', uplink: 'none', ...subnet(13) }),
}
