/** The sections that are plain listings: leases, MACs with neighbours, published ports. */
import type { LeaseRow } from '../control/lease.ts'
import type { NeighbourRow } from '../control/neighbour.ts'
import type { MacRow, PublishRow } from '../control/rows.ts'
import * as format from './format.ts'
import { Listing, type Source } from './listing.ts'
import { stateCell } from './ports.ts'

const leases: Source<LeaseRow> = {
  ...{ path: '/v1/leases', label: 'Leases', sort: 1, empty: 'Nobody has an address by DHCP.' },
  key: ({ network, address }) => `${network} ${address}`,
  columns: [
    { title: 'address', kind: 'mono', text: ({ address }) => address },
    { title: 'host name', text: ({ hostname }) => hostname ?? '' },
    { title: 'MAC', kind: 'mono', text: ({ mac }) => mac },
    { title: 'network', text: ({ network }) => network },
    { title: 'port', text: ({ port }) => port ?? 'not known yet' },
    { title: 'kind', text: ({ kind }) => kind },
    {
      title: 'expires in',
      kind: 'right',
      text: ({ expires }) => (expires === null ? 'with the port' : format.duration(left(expires))),
      value: ({ expires }) => (expires === null ? Number.POSITIVE_INFINITY : left(expires)),
    },
  ],
}

function left(expires: string): number {
  return Math.max(0, (Date.parse(expires) - Date.now()) / 1000)
}

const macs: Source<MacRow> = {
  ...{ path: '/v1/macs', label: 'MAC addresses', sort: 1, empty: 'No MAC address is known.' },
  key: ({ network, mac }) => `${network} ${mac}`,
  columns: [
    { title: 'MAC', kind: 'mono', text: ({ mac }) => mac },
    { title: 'network', text: ({ network }) => network },
    { title: 'port', text: ({ port }) => port },
    { title: 'kind', text: ({ kind }) => kind },
    {
      title: 'last seen',
      kind: 'right',
      text: ({ kind, ageSeconds }) => (kind === 'dynamic' ? `${format.duration(ageSeconds)} ago` : ''),
      value: ({ ageSeconds }) => ageSeconds,
    },
  ],
}

const neighbours: Source<NeighbourRow> = {
  ...{
    path: '/v1/neighbours',
    label: 'Neighbours of the gateways',
    sort: 1,
    empty: 'No gateway knows a neighbour.',
  },
  key: ({ network, address }) => `${network} ${address}`,
  columns: [
    { title: 'address', kind: 'mono', text: ({ address }) => address },
    { title: 'MAC', kind: 'mono', text: ({ mac }) => mac ?? 'not answered yet' },
    { title: 'network', text: ({ network }) => network },
    { title: 'port', text: ({ port }) => port ?? '' },
    { title: 'state', text: ({ state }) => state },
    {
      title: 'confirmed',
      kind: 'right',
      text: ({ confirmedSeconds }) => `${format.duration(confirmedSeconds)} ago`,
      value: ({ confirmedSeconds }) => confirmedSeconds,
    },
  ],
}

const published: Source<PublishRow> = {
  ...{ path: '/v1/publish', label: 'Published ports', sort: 1, empty: 'No port of a guest is published.' },
  key: ({ network, publish }) => `${network} ${publish}`,
  columns: [
    {
      title: 'from outside',
      kind: 'mono',
      text: ({ host, hostPorts }) => `${host === '' ? '*' : host}:${hostPorts}`,
    },
    { title: 'to the guest', kind: 'mono', text: ({ guest, guestPorts }) => `${guest}:${guestPorts}` },
    { title: 'protocol', text: ({ protocol }) => protocol },
    { title: 'network', text: ({ network }) => network },
    {
      title: 'state',
      text: ({ state, reason }) => `${state} ${reason}`,
      fill: (cell, { state, reason }) => stateCell(cell, state, reason),
    },
    { title: 'comes from', text: ({ origin }) => origin },
  ],
}

export const listings = [
  () => new Listing('leases', 'Leases', leases),
  () => new Listing('macs', 'MACs', macs, neighbours),
  () => new Listing('published', 'Published', published),
]
