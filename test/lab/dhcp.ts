/** A network whose gateway is a memory port of the test's own process: a DHCP server of ours for real clients in namespaces. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Settings } from '../../src/service/dhcp/option.ts'
import { Server } from '../../src/service/dhcp/server.ts'
import { Leases, type Log } from '../../src/service/dhcp/store.ts'
import { Station } from '../../src/service/station.ts'
import { defer } from './cleanup.ts'
import { plan, start } from './fabric.ts'
import type { Namespace } from './namespace.ts'

export const gateway = { high: 0x0200, low: 0x0000fe01 }

export function four(text: string): number {
  return text.split('.').reduce((sum, part) => (sum << 8) | Number(part), 0)
}

/** 10.8.0.0/24 from .15 to .20, an hour, as a small network has it. */
export function settings(more: Partial<Settings> = {}): Settings {
  return {
    network: 'lab',
    address: four('10.8.0.1'),
    prefix: 24,
    first: four('10.8.0.15'),
    last: four('10.8.0.20'),
    leaseMs: 3_600_000,
    statics: new Map(),
    excluded: [],
    router: four('10.8.0.1'),
    resolvers: [four('10.8.0.1'), four('192.0.2.53')],
    domain: 'lab.internal',
    mtu: 1400,
    routes: [{ network: four('192.0.2.0'), prefix: 24, router: four('10.8.0.9') }],
    ...more,
  }
}

/** A log that keeps what was said. */
export class Diary implements Log {
  readonly lines: string[] = []
  info(_: object, line: string): void {
    this.lines.push(line)
  }
  warn(_: object, line: string): void {
    this.lines.push(line)
  }
}

export interface Lab {
  server: Server
  station: Station
  leases: Leases
  diary: Diary
  path: string
  close: () => Promise<void>
}

/** A folder of its own for leases.json. */
export function stateFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bridgeport-leases-'))
  defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts the switch with a tap in every namespace and the server on it. */
export async function serve(guests: Namespace[], wanted: Settings, path: string | null = null): Promise<Lab> {
  const taps = guests.map((guest, number) => {
    const mac = `02:00:00:00:08:0${number}`
    return [
      guest.name,
      { network: 'lab', type: 'tap' as const, netns: guest.name, ifname: 'eth0', mac },
    ] as const
  })
  const fabric = await start(
    plan('', { ports: { gw: { network: 'lab', type: 'memory' }, ...Object.fromEntries(taps) } }),
  )
  const diary = new Diary()
  const leases = new Leases(path, diary)
  const station = new Station(fabric.memory('gw'), { ...gateway, address: wanted.address, mtu: 1500 })
  const server = new Server(station, wanted, leases, diary)
  const close = async () => {
    server.close()
    station.close()
    await leases.close()
    await fabric.close()
  }
  return { server, station, leases, diary, path: path ?? '', close }
}
