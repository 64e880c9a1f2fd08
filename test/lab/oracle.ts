/** nf_conntrack of this machine's kernel as oracle: a namespace that forwards between 10.81.0.0/24 and 10.82.0.0/24. */
import { readFileSync, readSync, writeSync } from 'node:fs'
import { native } from '../../src/memory/native.ts'
import { mustSync } from './command.ts'
import { Namespace } from './namespace.ts'

/** bytes of the vnet header before every packet */
const VNET = 10

/** A router made of the kernel: what goes in at one TUN device and whether it comes out at the other. */
export class Oracle {
  readonly router: Namespace
  private readonly fds: number[]
  private readonly table: string

  constructor() {
    const router = new Namespace('ct')
    this.router = router
    this.fds = ['left', 'right'].map((ifname, side) => {
      const { fds } = native.deviceOpen({
        ...{ kind: 'tun', ifname, netns: router.path, queues: 1, offload: false },
        ...{ persist: false, owner: -1, alias: '' },
      })
      native.linkSet({ netns: router.path, ifname, up: true, address: `10.8${side + 1}.0.1/24` })
      return fds[0]
    })
    const { pid } = router.spawn('sleep', '1000')
    this.table = `/proc/${pid}/net/nf_conntrack`
    mustSync(...router.argv('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'))
    mustSync(
      ...router.argv('nft', 'add table ip t; add chain ip t c { type filter hook forward priority 0; }'),
    )
    mustSync(...router.argv('nft', 'add rule ip t c ct state invalid drop'))
    this.drain(0)
    this.drain(1)
  }

  private drain(side: number): Uint8Array[] {
    const packets: Uint8Array[] = []
    const buffer = new Uint8Array(70_000)
    try {
      for (;;) packets.push(buffer.slice(VNET, readSync(this.fds[side], buffer)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
    return packets.filter((packet) => packet[0] === 0x45 && packet[9] !== 2)
  }

  /** True if the packet that enters at `side` leaves at the other. */
  pass(side: number, packet: Uint8Array): boolean {
    writeSync(this.fds[side], Uint8Array.of(...new Uint8Array(VNET), ...packet))
    return this.drain(1 - side).length === 1
  }

  /** State, flags and remaining seconds of the connection from LEFT's or RIGHT's `port`, or `none`. */
  row(port: number): { text: string; seconds: number } {
    const line = readFileSync(this.table, 'utf8')
      .split('\n')
      .find((each) => each.includes(` sport=${port} `))
    const found = /tcp +6 (\d+) (\w+) src=(\S+)/.exec(line ?? '')
    if (!line || !found) return { text: 'none', seconds: 0 }
    const unreplied = line.includes('[UNREPLIED]') ? ' unreplied' : ''
    const assured = line.includes('[ASSURED]') ? ' assured' : ''
    return { text: `${found[2]} ${found[3]}${unreplied}${assured}`, seconds: Number(found[1]) }
  }

  close(): void {
    for (const fd of this.fds) native.descriptorClose(fd)
  }
}
