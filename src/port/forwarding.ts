/**
 * Whether the host forwards what enters at an interface: net.ipv4.conf.IFNAME.forwarding. What a switch turns on it turns off again:
 * on its way out, by the reaper when it is killed, and at its next start from a file, should the reaper have been killed too.
 *
 * Whoever sets net.ipv4.ip_forward (Docker, when it starts) sets it for every interface: what that turned on stays on.
 */
import { existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { native } from '../memory/native.ts'

/** One interface whose forwarding was off. */
interface Held {
  ifname: string
  ifindex: number
}

/** What the file says: it counts in the same boot and the same namespace only. */
interface Note {
  boot: string
  namespace: string
  /** ip_forward as it was */
  all: string
  held: Held[]
}

function pathOf(ifname: string): string {
  return `/proc/sys/net/ipv4/conf/${ifname}/forwarding`
}

function read(ifname: string): string {
  try {
    return readFileSync(pathOf(ifname), 'latin1').trim()
  } catch {
    return '' // the interface is gone
  }
}

function write(ifname: string, value: string): void {
  try {
    writeFileSync(pathOf(ifname), value)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function place(): { boot: string; namespace: string } {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  return { boot, namespace: readlinkSync('/proc/self/ns/net') }
}

export class Forwarding {
  private readonly file: string
  private readonly held = new Map<string, Held>()
  private all = ''

  /** `file` keeps what a killed switch would have to restore. */
  constructor(file: string) {
    this.file = file
  }

  /** Restores what a killed switch with the same file left on. */
  repair(): void {
    if (!existsSync(this.file)) return
    const note = this.noted()
    const { boot, namespace } = place()
    const counts = note !== null && note.boot === boot && note.namespace === namespace
    if (counts && note.all === read('all'))
      for (const { ifname, ifindex } of note.held)
        if (native.linkGet('', ifname)?.ifindex === ifindex) write(ifname, '0')
    rmSync(this.file, { force: true })
  }

  private noted(): Note | null {
    try {
      return JSON.parse(readFileSync(this.file, 'utf8')) as Note
    } catch {
      return null // a file that nobody of us wrote says nothing
    }
  }

  /** Forwards what enters by `links`, interfaces that will go, and by `egresses`, which stay; returns where somebody had turned it off. */
  set(links: string[], egresses: Held[]): string[] {
    this.yield()
    const wanted = new Map(egresses.map((each) => [each.ifname, each]))
    for (const each of [...this.held.values()])
      if (wanted.get(each.ifname)?.ifindex !== each.ifindex) this.restore(each)
    const again: string[] = []
    for (const each of wanted.values()) {
      if (read(each.ifname) !== '0') continue
      if (this.held.has(each.ifname)) again.push(each.ifname)
      else this.hold(each)
      write(each.ifname, '1')
    }
    for (const ifname of links) if (read(ifname) === '0') write(ifname, '1')
    return again
  }

  /** Somebody made this host a router meanwhile: what is on is his now. */
  private yield(): void {
    const all = read('all')
    if (this.all === '0' && all === '1') {
      for (const { ifname } of this.held.values()) native.reaperForget('value', pathOf(ifname))
      this.held.clear()
      this.note()
    }
    this.all = all
  }

  private hold(each: Held): void {
    this.held.set(each.ifname, each)
    native.reaperWatch('value', pathOf(each.ifname), '0')
    this.note()
  }

  private restore(each: Held): void {
    this.held.delete(each.ifname)
    native.reaperForget('value', pathOf(each.ifname))
    if (native.linkGet('', each.ifname)?.ifindex === each.ifindex) write(each.ifname, '0')
    this.note()
  }

  /** Writes down what is held. A place that cannot be written to leaves the reaper alone with it. */
  private note(): void {
    try {
      if (this.held.size === 0) {
        rmSync(this.file, { force: true })
        return
      }
      const note: Note = { ...place(), all: this.all, held: [...this.held.values()] }
      mkdirSync(dirname(this.file), { recursive: true, mode: 0o755 })
      writeFileSync(`${this.file}.new`, JSON.stringify(note), { mode: 0o600 })
      renameSync(`${this.file}.new`, this.file)
    } catch {
      // a read-only file system: nothing can be kept there
    }
  }
}
