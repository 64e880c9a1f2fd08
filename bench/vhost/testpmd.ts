/** dpdk-testpmd as the two guests: what arrives at one port leaves by the other, from the first frames on for ever. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../compare/child.ts'
import type { Ground } from '../compare/ground.ts'
import { cores, devices, environment, macs, type Pair } from './site.ts'

const prompt = 'testpmd> '
const answerMs = 15_000
/** A switch may take its time after a guest has connected; frames that arrive too early are lost, and never go round. */
const settleMs = 1000

/** Bursts of 32 frames that each port starts with: half a ring, so that no ring is ever full and nothing is lost. */
const bursts = 16

/** What `show port stats` says of frames received a second since it was last asked, one number for each port. */
export function rates(output: string): number[] {
  return [...output.matchAll(/Rx-pps:\s+(\d+)/g)].map((match) => Number(match[1]))
}

export class Testpmd {
  private readonly child: Child
  private commands = 0

  private constructor(child: Child) {
    this.child = child
  }

  static async start(ground: Ground, pair: Pair): Promise<Testpmd> {
    // The first of two threads only listens to us; the second forwards.
    const threads = `--lcores=0@${cores.guests},1@${cores.guests}`
    const rings = ['--txd=1024', '--rxd=1024', '--total-num-mbufs=16384', '--nb-cores=1']
    const args = [threads, ...environment(ground, 'guests'), ...devices(pair)]
    // Line by line: into a pipe it would write its figures at its end.
    const child = ground.spawn('stdbuf', [
      '-oL',
      'dpdk-testpmd',
      ...args,
      '--',
      '-i',
      '--forward-mode=io',
      ...rings,
    ])
    const testpmd = new Testpmd(child)
    try {
      await testpmd.answered()
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
    await sleep(settleMs, undefined, { signal: ground.signal })
    return testpmd
  }

  /** Runs one command and resolves to what it printed. */
  async tell(command: string): Promise<string> {
    const from = this.child.output.length
    this.commands++
    this.child.write(`${command}\n`)
    await this.answered()
    return this.child.output.slice(from)
  }

  /**
   * Sends frames round and round: each leaves A or B, passes the switch, arrives at the other and is sent again as it is by the port
   * that it first left. So a MAC is the source at one port alone, and after one round the switch knows where both are, if a frame's
   * destination is the other port's MAC. testpmd's own choice would be a MAC that nobody has, for which a switch floods.
   */
  async circulate(length: number, destinations: string[]): Promise<void> {
    for (const [port, destination] of destinations.entries())
      await this.tell(`set eth-peer ${port} ${destination}`)
    await this.tell(`set txpkts ${length}`)
    await this.tell(`start tx_first ${bursts}`)
  }

  /** Millions of frames a second that arrived, both ports together, counted by testpmd against its own clock. */
  async count(seconds: number): Promise<number> {
    await this.tell('show port stats all')
    await sleep(seconds * 1000)
    const [a = 0, b = 0] = rates(await this.tell('show port stats all'))
    if (a === 0 || b === 0) throw new Error(`testpmd: received ${a} and ${b} frames a second`)
    return (a + b) / 1e6
  }

  async stop(): Promise<void> {
    await this.tell('stop')
  }

  /** What is on its way is gone with it. */
  async quit(): Promise<void> {
    this.child.write('stop\nquit\n')
    await this.child.finish(answerMs)
  }

  /** A prompt for each command, and the first. */
  private async answered(): Promise<void> {
    const last = performance.now() + answerMs
    while (this.child.output.split(prompt).length - 1 <= this.commands) {
      if (this.child.ended || performance.now() > last)
        throw new Error(`testpmd: no answer: ${this.child.output.trim().split('\n').at(-1)}`)
      await sleep(10)
    }
  }
}

/** To each other. */
export const learned = [macs[1], macs[0]]
/** To MACs that nobody has: individual, locally administered. */
export const unknown = ['02:00:00:00:ff:00', '02:00:00:00:ff:01']
