/**
 * Frames of connections under way through the whole path with rules in force, beside the same path without: what rules add to a frame
 * beyond conntrack. And what it takes to make rules ready.
 */
import { check } from '../../src/chain/check.ts'
import { type Context, compile } from '../../src/chain/compile.ts'
import { restore } from '../../src/chain/restore.ts'
import type { Swap } from '../../src/pipeline/swap.ts'
import { median } from '../compare/summary.ts'
import { many, small } from '../rules/text.ts'
import type { Case } from './case.ts'
import { CALL, FlowQueue, gateway } from './gateway.ts'

const FLOWS = 1024
/** Times that the ruleset is made ready; the median is told. */
const ROUNDS = 7
const SIZE = 10_000

const world: Context = { kindOf: () => 'network', set: () => null }

/** What most people have; the frames are what its last accept means. */
export const usual = small('-p udp -m udp --dport 7')

/** A length and a time to live are no part of a connection: rules that ask for them ask every frame. */
const asking =
  '*filter\n-A FORWARD -m length --length 2000:3000 -j DROP\n-A FORWARD -m ttl --ttl-lt 3 -j DROP\n-A FORWARD -j ACCEPT\nCOMMIT\n'

/** Puts a text into force. */
export function enforce(swap: Swap, text: string): void {
  swap.rules(compile(restore(text), world, null).plan)
  while (!swap.prepare(1000));
}

export function ruled(): Case[] {
  const rulesets: [string, string | null][] = [
    ['no rules', null],
    ['the usual six rules', usual],
    [`${SIZE} rules`, many(SIZE)],
    ['three rules that ask every frame', asking],
  ]
  return rulesets.map(([title, text]) => {
    const { arena, dataplane, guest, sink, swap } = gateway(FLOWS)
    if (text !== null) enforce(swap, text)
    const queue = new FlowQueue(arena, FLOWS, 64)
    const run = () => {
      for (let done = 0; done < CALL; done += 64) dataplane.service(guest, queue)
    }
    run()
    if (sink.sent !== CALL) throw new Error(`${title}: ${sink.sent} of ${CALL} frames came through`)
    return { name: `conntrack and SNAT, ${FLOWS} flows, ${title}`, frames: CALL, run }
  })
}

/** Milliseconds from text to what is posted to the worker. */
export function loading(): { text: string; ms: number } {
  const took = Array.from({ length: ROUNDS }, (_, round) => {
    const text = many(SIZE, round + 1)
    const began = performance.now()
    const rules = restore(text)
    check(rules, () => null)
    compile(rules, world, null)
    return performance.now() - began
  })
  const ms = median(took)
  const range = `${Math.min(...took).toFixed(0)} to ${Math.max(...took).toFixed(0)}`
  return { text: `${SIZE} rules are read, checked and compiled in ${ms.toFixed(0)} ms (${range})`, ms }
}
