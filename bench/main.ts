/**
 * `npm run bench`, after the microbenchmarks: the same work through Bridgeport and through its peers, side by side.
 *
 *   [nat|rules|vhost|observe]  first argument: NATs, routers with rules, switches for guests, or what it costs to look, instead of switches
 *   --rounds N  --seconds S  --only peer,peer  --measure tcp,rate,latency  | out,back,in,rate,connect,dhcp | usual,rate,first,replace
 *                                                | idle,guests,rate,nat,latency | scrape,live,page,capture,filter
 *   --quick
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Contest } from './compare/contest.ts'
import { between, usage } from './compare/cpu.ts'
import { judge } from './compare/goals.ts'
import { sweep } from './compare/ground.ts'
import { plan as choose, Refusal } from './compare/options.ts'
import { installed, type Joint } from './compare/peer.ts'
import { chart } from './compare/plot.ts'
import { json, machine, markdown, peers, type Report } from './compare/report.ts'
import { root } from './compare/root.ts'
import { compare } from './compare/run.ts'
import { type Outcome, summarize } from './compare/summary.ts'
import { switches } from './compare/switches.ts'
import { nats } from './nat/nats.ts'
import { observe } from './observe/observe.ts'
import { rules } from './rules/rules.ts'
import { vhost } from './vhost/vhost.ts'

const results = join(root, 'bench/results')

/** Share of all CPUs that others use, 0 to 1, looked at for half a second. */
async function busy(signal: AbortSignal): Promise<number> {
  const before = { at: performance.now(), used: usage([]) }
  await sleep(500, undefined, { signal })
  const seconds = (performance.now() - before.at) / 1000
  return between(before.used, usage([])).machine / seconds / machine(0).cpus
}

async function main<J extends Joint>(
  contest: Contest<J>,
  args: string[],
  signal: AbortSignal,
): Promise<boolean> {
  const { plan, absent } = choose(contest, args)
  if (process.getuid?.() !== 0 || !existsSync('/dev/net/tun'))
    throw new Refusal('comparing needs root and /dev/net/tun, it makes network namespaces; run it as root')
  if (!installed('ip') || !installed('setpriv'))
    throw new Refusal('ip or setpriv is missing; install the packages iproute2 and util-linux')
  await sweep()
  const state = machine(await busy(signal))
  const progress = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  }
  const giveBack = contest.reserve?.()
  let outcomes: Outcome[]
  try {
    await contest.prepare?.(plan.peers, signal, progress)
    outcomes = await compare(plan, signal, progress)
  } finally {
    giveBack?.()
    progress('')
  }
  const summaries = summarize(outcomes)
  const { rounds, seconds } = plan
  const measured = {
    date: new Date().toISOString(),
    machine: state,
    rounds,
    seconds,
    terms: contest.terms,
    peers: peers(plan),
    absent,
  }
  const report: Report = { ...measured, summaries, goals: judge(summaries), outcomes }
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, `${contest.name}.json`), json(report))
  for (const plot of contest.plots) {
    const svg = chart(plot, report)
    const file = join(results, `${plot.name}.svg`)
    // A plot of an earlier run beside this run's figures would mislead.
    if (svg === null) rmSync(file, { force: true })
    else writeFileSync(file, svg)
  }
  process.stdout.write(markdown(report))
  return outcomes.every((outcome) => outcome.failures.length === 0)
}

const controller = new AbortController()
let status = 0
/** 128 and the signal's number, as shells have it. */
for (const [name, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }))
  process.on(name, () => {
    status = 128 + number
    controller.abort(new Refusal('interrupted; everything is cleaned up'))
  })
try {
  const [first, ...rest] = process.argv.slice(2)
  const { signal } = controller
  const others: Record<string, () => Promise<boolean>> = {
    nat: () => main(nats, rest, signal),
    rules: () => main(rules, rest, signal),
    vhost: () => main(vhost, rest, signal),
    observe: () => main(observe, rest, signal),
  }
  const done = others[first]?.() ?? main(switches, process.argv.slice(2), signal)
  if (!(await done)) status ||= 1
} catch (error) {
  // The reason of an abort may arrive wrapped in whatever it interrupted.
  const reason = controller.signal.aborted ? controller.signal.reason : error
  if (!(reason instanceof Refusal)) throw error
  process.stderr.write(`bench: ${reason.message}\n`)
  status ||= 1
}
process.exitCode = status
