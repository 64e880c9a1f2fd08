/** A switch with a vhost-user port for a hostile front-end, two for bystanders who lose nothing meanwhile, and what the switch holds. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { cleanup } from '../cleanup.ts'
import { eventually } from '../command.ts'
import { Daemon, type PortRow } from '../daemon.ts'
import { GUEST } from './memory.ts'
import { Bystanders, Station } from './station.ts'

export interface Held {
  descriptors: number
  /** of guests' memory, and all */
  guests: number
  mappings: number
  rss: number
}

type Row = PortRow & { socket: { connected: boolean; faults: Record<string, number>; fault: string } }

export class Scene {
  readonly daemon: Daemon
  readonly bystanders = new Bystanders()

  private constructor(daemon: Daemon) {
    this.daemon = daemon
  }

  /**
   * `target` is what else is to be said of the port for the hostile front-end, whose name is `bad`; `others` are vhost-user ports
   * beside those of the bystanders.
   */
  static async open(target: object = {}, others: string[] = [], workers = 1): Promise<Scene> {
    const plain = { mode: 'internal', subnet: '10.9.0.0/24', dhcp: 'off', dns: 'off' }
    const lab = { ...plain, filterBridged: true }
    const daemon = new Daemon({ networks: { lab } })
    const port = (name: string) => ({
      ...{ network: 'lab', type: 'vhost-user', path: join(daemon.folder, name) },
    })
    daemon.write({
      workers,
      networks: { lab },
      ports: {
        bad: { ...port('bad'), ...target },
        ...Object.fromEntries(['one', 'two', ...others].map((name) => [name, port(name)])),
      },
    })
    await daemon.up()
    const scene = new Scene(daemon)
    await scene.bystanders.start([scene.path('one'), scene.path('two')])
    return scene
  }

  path(name = 'bad'): string {
    return join(this.daemon.folder, name)
  }

  async row(name = 'bad'): Promise<Row> {
    const rows = JSON.parse(await this.daemon.ask('/v1/ports')) as Row[]
    const row = rows.find((each) => each.name === name)
    if (!row) throw new Error(`no port ${name}`)
    return row
  }

  /** Times that somebody was disconnected for that. */
  async faults(name: string): Promise<number> {
    return (await this.row()).socket.faults[name] ?? 0
  }

  /** Waits until nobody is attached to the port. */
  async alone(): Promise<void> {
    await eventually('the port is free', async () => {
      const { state, socket } = await this.row()
      return state === 'waiting' && !socket.connected
    })
  }

  /** A well-behaved guest attaches to the port of the hostile one, is heard and hears. */
  async serves(): Promise<void> {
    const guest = new Station(9)
    const [one] = this.bystanders.ends
    await guest.attach(this.path())
    guest.say(one.mac, 0)
    one.say(guest.mac, 0)
    await eventually('a frame for the next guest', () => guest.heard(one.mac).includes(0))
    guest.close()
    await this.bystanders.pass()
    await this.alone()
  }

  /** What the switch holds of the kernel. */
  held(): Held {
    const process = `/proc/${this.daemon.pid}`
    const maps = readFileSync(`${process}/maps`, 'utf8').trim().split('\n')
    return {
      descriptors: readdirSync(`${process}/fd`).length,
      guests: maps.filter((each) => each.includes(GUEST)).length,
      mappings: maps.length,
      rss: this.daemon.rss(),
    }
  }
}

/** Opens a scene before the tests of a suite and ends it after them; `begin` is given it, and what the switch holds by then. */
export function stage(begin: (scene: Scene, before: Held) => void): void {
  let scene: Scene | undefined
  beforeAll(async () => {
    scene = await Scene.open()
    await scene.serves()
    begin(scene, scene.held())
  })
  afterAll(async () => {
    await scene?.bystanders.stop()
    cleanup()
  })
}
