/** The command line of the comparison. */
import { parseArgs } from 'node:util'
import type { Contest } from './contest.ts'
import { installed, type Joint } from './peer.ts'
import type { Plan } from './run.ts'

/** Three rounds are the fewest whose median discards an outlier; five seconds outlast the scheduler's moods. */
const usual = { rounds: 3, seconds: 5 }
const quick = { rounds: 1, seconds: 1 }

/** A mistake on the command line, or a machine that cannot run the comparison: one line. */
export class Refusal extends Error {}

function choose<T extends { name: string }>(key: string, list: string | undefined, all: T[]): T[] {
  if (list === undefined) return all
  const names = all.map((item) => item.name)
  const wanted = list.split(',')
  for (const name of wanted)
    if (!names.includes(name))
      throw new Refusal(`${key}: there is no ${name}; choose from ${names.join(', ')}`)
  return all.filter((item) => wanted.includes(item.name))
}

function positive(key: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!(value > 0 && value <= 3600)) throw new Refusal(`${key}: '${text}' is no number between 0 and 3600`)
  return value
}

/** What to run, and which peers or measurements stay out for which reason. */
export function plan<J extends Joint>(
  contest: Contest<J>,
  args: string[],
): { plan: Plan<J>; absent: Record<string, string> } {
  const text = { type: 'string' } as const
  const spec = { rounds: text, seconds: text, only: text, measure: text, quick: { type: 'boolean' } } as const
  let values: { rounds?: string; seconds?: string; only?: string; measure?: string; quick?: boolean }
  try {
    values = parseArgs({ args, options: spec }).values
  } catch (error) {
    throw new Refusal(`${(error as Error).message}; known: --rounds --seconds --only --measure --quick`)
  }
  const defaults = values.quick ? quick : (contest.usual ?? usual)
  const absent: Record<string, string> = {}
  const peers = choose('--only', values.only, contest.peers).filter((peer) => {
    const reason = peer.missing()
    if (reason) absent[peer.name] = reason
    return reason === null
  })
  const measurements = choose('--measure', values.measure, contest.measurements).filter(({ name, needs }) => {
    const [missing] = Object.entries(needs).filter(([program]) => !installed(program))
    if (missing) absent[name] = `${missing[0]} is missing; install the package ${missing[1]}`
    return missing === undefined
  })
  if (peers.length === 0 || measurements.length === 0)
    throw new Refusal(`nothing to compare: ${Object.values(absent).join('; ')}`)
  const rounds = Math.ceil(positive('--rounds', values.rounds, defaults.rounds))
  const seconds = positive('--seconds', values.seconds, defaults.seconds)
  return { plan: { peers, measurements, target: contest.target, rounds, seconds }, absent }
}
