/**
 * A guest that rewrites its frames while the switch looks at them: a process flips bytes in its buffers all the time, between what the guard
 * or a rule lets pass and what it does not. Nothing that is forbidden arrives: what was checked is what is sent on.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { cleanup, defer } from '../lab/cleanup.ts'
import { pause } from '../lab/command.ts'
import { arp, broadcast, ethernet, ipv4, udp } from '../lab/frame.ts'
import { suite } from '../lab/peer.ts'
import { Scene } from '../lab/virtio/scene.ts'
import { Station } from '../lab/virtio/station.ts'

/** Flips the bytes at `spots` (from the command line: place, then two values) without end. */
const FLIPPER = `import mmap, sys
memory = mmap.mmap(3, 0)
words = [int(word) for word in sys.argv[1:]]
spots = list(zip(words[0::3], words[1::3], words[2::3]))
while True:
  for at, one, other in spots: memory[at] = one
  for at, one, other in spots: memory[at] = other`

const BUFFERS = 64
const FRAMES = 10_000
const OWN = '02:00:00:00:00:42'

/** A byte of a frame, and what it becomes. */
interface Flip {
  at: number
  forged: number
}

suite('a guest that rewrites its frames', ['python3'], () => {
  let scene: Scene
  let guest: Station
  let witness: Station
  let flipper: ChildProcess | null = null

  beforeAll(async () => {
    scene = await Scene.open({ mac: OWN, guard: true }, ['loose', 'eye'])
    witness = new Station(77)
    await witness.attach(scene.path('eye'))
  })
  afterEach(() => {
    flipper?.kill('SIGKILL')
    guest.close()
  })
  afterAll(async () => {
    witness?.close()
    await scene?.bystanders.stop()
    cleanup()
  })

  /** Attaches a guest whose buffers all hold that frame, of which a process flips bytes; sends it `FRAMES` times and resolves to what arrived. */
  async function send(port: string, frame: Uint8Array, flips: Flip[]): Promise<Buffer[]> {
    guest = new Station(66)
    await guest.attach(scene.path(port))
    const { memory, pair } = guest
    const whole = Buffer.concat([Buffer.alloc(pair.header), frame])
    const pieces = Array.from({ length: BUFFERS }, () => memory.allocate(whole.length))
    for (const piece of pieces) memory.bytes(piece).set(whole)
    const spots = pieces.flatMap(({ address }) =>
      flips.flatMap(({ at, forged }) => [Number(address) + pair.header + at, frame[at], forged]),
    )
    const stdio: ('ignore' | 'inherit' | number)[] = ['ignore', 'ignore', 'inherit', memory.regions[0].fd]
    flipper = spawn('python3', ['-c', FLIPPER, ...spots.map(String)], { stdio })
    defer(() => flipper?.kill('SIGKILL'))
    const { ring } = pair.transmitter
    const arrived: Buffer[] = []
    const free = [...pieces]
    for (let sent = 0; sent < FRAMES; ) {
      for (; free.length > 0; sent++) ring.offer([{ ...free.pop()!, write: false }])
      pair.transmitter.publish()
      await pause(0)
      for (let used = ring.take(); used; used = ring.take()) free.push(...used.parts)
      arrived.push(...witness.pair.drain().map((each) => Buffer.from(each.frame)))
    }
    expect(flipper.exitCode).toBe(null)
    return arrived
  }

  const count = async (name: string, reason: string) => (await scene.row(name)).drops[reason] ?? 0

  it('sends with its own addresses only where it is guarded', async () => {
    const probe = arp(1, [OWN, '0.0.0.0'], ['00:00:00:00:00:00', '10.9.0.9'])
    const frame = ethernet(broadcast, OWN, 0x0806, probe)
    const flips = [
      { at: 11, forged: 0x99 },
      { at: 27, forged: 0x99 },
      { at: 31, forged: 7 },
    ]
    const before = await count('bad', 'guard')
    const arrived = (await send('bad', frame, flips)).filter((each) => each.readUInt16BE(12) === 0x0806)
    const dropped = (await count('bad', 'guard')) - before
    expect(arrived.length).toBeGreaterThan(100)
    expect(dropped).toBeGreaterThan(100)
    const texts = new Set(arrived.map((each) => each.subarray(0, frame.length).toString('hex')))
    expect([...texts]).toEqual([Buffer.from(frame).toString('hex')])
  })

  it('reaches no port that a rule refuses', async () => {
    const rule = '*filter\n-A FORWARD -p udp --dport 53 -j DROP\nCOMMIT\n'
    expect(await scene.daemon.attempt(['rules', 'restore'], { input: rule })).toMatchObject({ status: 0 })
    const packet = ipv4(
      { source: '10.9.0.66', destination: '10.9.0.77', protocol: 17, fragment: 0 },
      udp(4000, 5353, new Uint8Array(20)),
    )
    const frame = ethernet(broadcast, OWN, 0x0800, packet)
    const high = { at: 36, forged: 53 >> 8 }
    const low = { at: 37, forged: 53 }
    const arrived = (await send('loose', frame, [high, low])).filter(
      (each) => each.readUInt16BE(12) === 0x0800,
    )
    const ports = new Set(arrived.map((each) => each.readUInt16BE(36)))
    expect(arrived.length).toBeGreaterThan(100)
    expect(ports.has(5353)).toBe(true)
    expect(ports.has(53)).toBe(false)
    const rules = await scene.daemon.cli('rules', 'save', '-c')
    expect(Number(/\[(\d+):\d+\] -A FORWARD/.exec(rules)?.[1])).toBeGreaterThan(100)
  })
})
