/** What a switch with very many ports and rules would tell the page. */
import type { Picture, PortPicture, PortRates, Sample } from '../../src/control/live/live.ts'
import type { SetRow } from '../../src/control/roll.ts'
import type { NetworkRow } from '../../src/control/rows.ts'

function network(name: string, ports: number): NetworkRow {
  const plain = { mtu: 1500, isolated: false, worker: 0, macs: 0, macCapacity: 65536, origin: 'file' }
  const services = { domain: null, dhcp: null, dns: null, uplink: null, host: null }
  return { name, mode: 'internal', subnet: null, gateway: null, ports, ...plain, ...services }
}

function port(name: string, network: string): PortPicture {
  const plain = { type: 'qemu-tap', ifname: name, netns: '', mac: null, address: null, mtu: 1500, queues: 1 }
  const settings = { isolated: false, guard: false, offloads: [], socket: null, origin: 'file' }
  return { name, network, ...plain, state: 'up', reason: '', ...settings }
}

/** A stream that ends after its first sample; every port is busy. */
export function crowd(networks: number, ports: number): string {
  const rows = Array.from({ length: ports }, (_, n) => port(`vm${n}`, `net${n % networks}`))
  const picture: Picture = {
    ...{ version: '0.1.0', pid: 1, ports: rows, workers: 1 },
    networks: Array.from({ length: networks }, (_, n) => network(`net${n}`, ports / networks)),
  }
  const rates: PortRates = [1000, 1e6, 1000, 1e6, 1]
  const sample: Sample = {
    ...{ time: Date.now(), seconds: 1, uptimeSeconds: 1, memoryBytes: 1e8, captures: 0 },
    ports: Object.fromEntries(rows.map(({ name }) => [name, rates])),
    drops: Object.fromEntries(rows.map(({ name }) => [name, { egress_full: 1 }])),
    workers: [{ busy: 0.5, frames: 3e5 }],
    flows: { count: 0, capacity: 1000, created: 0, top: [] },
  }
  return `event: picture\ndata: ${JSON.stringify(picture)}\n\nevent: sample\ndata: ${JSON.stringify(sample)}\n\n`
}

/** Rows of /v1/rules among so many, each of an address of its own: 10.9.0.0 and on. */
export function pageOf(count: number, { searchParams }: URL): object[] {
  const rules = Array.from({ length: count }, (_, n) => ({
    ...{ table: 'filter', chain: 'FORWARD', number: n + 1, packets: n, bytes: n * 100, line: n + 3 },
    rule: `-A FORWARD -s 10.9.${n >> 8}.${n & 255}/32 -j ACCEPT`,
  }))
  const found = rules.filter(({ rule }) => rule.includes(searchParams.get('search') ?? ''))
  return found.slice(0, Number(searchParams.get('limit')))
}

/** A set that has so many entries, of which so many are told. */
export function setOf(count: number, told: number): SetRow {
  const entries = Array.from({ length: told }, (_, n) => ({
    ...{ element: `10.9.${n >> 8}.${n & 255}`, timeout: null, nomatch: false },
  }))
  const plain = { maxelem: 65_536, timeout: null, netmask: null, range: null, refused: 0 }
  return { name: 'guests', type: 'hash:ip', ...plain, count, entries }
}
