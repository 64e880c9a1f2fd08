/**
 * 10,000 rules are replaced by 10,000 others while frames pass as fast as one CPU can send them and pings as often as every 2 ms: what is
 * lost on the way, and what is added to a round trip.
 *
 * A frame is lost if the router took it (a TAP counts what was read from it, a veth what was handed over) and the receiver's stack never
 * saw it. What the router's full queue refused was never taken; the pings have an interface of their own, whose queue is empty.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Child } from '../compare/child.ts'
import { counters } from '../compare/counters.ts'
import type { End, Ground } from '../compare/ground.ts'
import type { Measurement } from '../compare/measurement.ts'
import type { Sample } from '../compare/metric.ts'
import { established } from './flows.ts'
import { needs } from './rate.ts'
import { far, load, probe, type RulesJoint } from './site.ts'
import { many } from './text.ts'

const count = 10_000
const intervalMs = 2
/** between two replacements, and until all that was sent has arrived */
const pauseMs = 300
/** timeout(1) ends trafgen and its fork should nobody else. */
const mostSeconds = 120

/** A counter of proc_pid_net's `snmp`: two lines a protocol, names and values. */
export function counted(text: string, protocol: string, name: string): number {
  const [names, values] = text.split('\n').filter((line) => line.startsWith(`${protocol}: `))
  const at = names?.split(' ').indexOf(name) ?? -1
  if (at < 0) throw new Error(`no counter ${protocol} ${name}`)
  return Number(values.split(' ')[at])
}

/** UDP frames that the router took from the load, and that arrived. */
function passed(ground: Ground): { taken: number; arrived: number } {
  const from = counters(ground.proc('a', 'net/dev'), load.ifname)
  if (!from) throw new Error(`interface ${load.ifname} vanished`)
  const snmp = (end: End) => readFileSync(ground.proc(end, 'net/snmp'), 'latin1')
  const there = snmp('b')
  return {
    // To the load's own interface comes nothing but what asks for its MAC, which it answers.
    taken: from.txFrames - from.rxFrames,
    arrived: counted(there, 'Ip', 'InReceives') - counted(there, 'Icmp', 'InMsgs'),
  }
}

/** A reply: when it came, in seconds since 1970, and the milliseconds that it took. */
export interface Echo {
  at: number
  sequence: number
  ms: number
}

/** What `ping -D` writes; a last line may be cut. */
export function echoes(output: string): Echo[] {
  const pattern = /^\[(\d+\.\d+)\] .*icmp_seq=(\d+) .*time=([\d.]+) ms$/gm
  return [...output.matchAll(pattern)].map(([, at, sequence, ms]) => ({
    at: Number(at),
    sequence: Number(sequence),
    ms: Number(ms),
  }))
}

/** Requests without a reply before the last that had one. */
export function unanswered(replies: Echo[]): number {
  return replies.length === 0
    ? 0
    : replies[replies.length - 1].sequence - replies[0].sequence + 1 - replies.length
}

/** A while, in seconds since 1970, and the frames that arrived in it. */
interface Span {
  from: number
  to: number
  arrived: number
}

async function span(ground: Ground, work: () => Promise<unknown>): Promise<Span> {
  const before = passed(ground).arrived
  const from = Date.now() / 1000
  await work()
  return { from, to: Date.now() / 1000, arrived: passed(ground).arrived - before }
}

/** Frames a second over several whiles. */
function pace(spans: Span[]): number {
  const arrived = spans.reduce((sum, each) => sum + each.arrived, 0)
  return arrived / spans.reduce((sum, each) => sum + each.to - each.from, 0)
}

function longest(replies: Echo[], spans: Span[]): number {
  // A reply within a span, or one that was waited for in it.
  const within = replies.filter(({ at, ms }) =>
    spans.some(({ from, to }) => at >= from && at - ms / 1000 <= to),
  )
  if (within.length === 0) throw new Error('no ping was answered')
  return Math.max(...within.map(({ ms }) => ms))
}

async function during(ground: Ground, work: () => Promise<void>): Promise<Echo[]> {
  const every = ['-D', '-n', '-I', probe.ifname, '-i', String(intervalMs / 1000), far.address]
  const ping = ground.spawn('ping', every, { namespace: ground.a })
  await work().finally(() => ping.kill('SIGINT'))
  await ping.finish(2000).catch(() => {})
  return echoes(ping.output)
}

async function sending(ground: Ground, frames: string, work: () => Promise<void>): Promise<void> {
  const file = join(ground.folder, 'load.cfg')
  writeFileSync(file, `${frames}\n`)
  const options = ['--dev', load.ifname, '--conf', file, '--cpus', '1', '--no-sock-mem', '--no-cpu-stats']
  const bound = ['--signal', 'KILL', String(mostSeconds)]
  const sender: Child = ground.spawn('timeout', [...bound, 'trafgen', ...options], { namespace: ground.a })
  try {
    await work()
    if (sender.ended) throw new Error(`trafgen ended early: ${sender.output.trim()}`)
  } finally {
    sender.kill('SIGKILL')
  }
  await sleep(pauseMs, undefined, { signal: ground.signal })
}

async function take(ground: Ground, joint: RulesJoint, seconds: number): Promise<Sample> {
  const texts = [1, 2].map((seed) => {
    const file = join(ground.folder, `many-${seed}.v4`)
    writeFileSync(file, many(count, seed))
    return file
  })
  const idle = await joint.restore(texts[0])
  const frames = await established(ground)
  const quiet: Span[] = []
  const changing: Span[] = []
  const took: number[] = []
  const rest = async (ms: number) => {
    quiet.push(await span(ground, () => sleep(ms, undefined, { signal: ground.signal })))
  }
  const change = async (text: string) => {
    took.push(await joint.restore(text))
    await sleep(pauseMs / 3, undefined, { signal: ground.signal })
  }
  // Answers to the load's first frames may still be on their way.
  await sleep(pauseMs, undefined, { signal: ground.signal })
  const before = passed(ground)
  const replies = await during(ground, () =>
    sending(ground, frames, async () => {
      await sleep(pauseMs, undefined, { signal: ground.signal })
      for (const text of [texts[1], texts[0], texts[1]]) {
        await rest((seconds * 1000) / 2)
        changing.push(await span(ground, () => change(text)))
      }
      await rest((seconds * 1000) / 2)
    }),
  )
  const after = passed(ground)
  const [undisturbed, disturbed] = [longest(replies, quiet), longest(replies, changing)]
  return {
    lost: after.taken - before.taken - (after.arrived - before.arrived),
    unanswered: unanswered(replies),
    roundTrip: undisturbed,
    roundTripReplacing: disturbed,
    roundTripAdded: Math.max(0, disturbed - undisturbed),
    replacingRate: (100 * pace(changing)) / pace(quiet),
    restoreIdle: idle,
    restoreLongest: Math.max(...took),
  }
}

export const replace: Measurement<RulesJoint> = {
  name: 'replace',
  needs: { ...needs, ping: 'iputils-ping' },
  take,
}
