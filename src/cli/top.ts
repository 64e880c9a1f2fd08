/** `bridgeport top`: what the switch does now, moment after moment on a terminal, or once for a script. */
import type { Command } from 'commander'
import { Refusal } from '../control/refusal.ts'
import { socketOf } from './client.ts'
import { between, withSocket } from './option.ts'
import { type Wish, watch } from './top/feed.ts'
import { Screen } from './top/screen.ts'
import { Session } from './top/session.ts'
import type { Summary } from './top/summary.ts'
import { text } from './top/view.ts'

interface Options {
  once?: boolean
  json?: boolean
  interval: number
  network?: string
  flows: number
}

/** The first moment that has rates. */
async function once(wish: Wish): Promise<Summary> {
  const done = new AbortController()
  let found: Summary | null = null
  await watch(
    wish,
    (summary, isFirst) => {
      if (isFirst) return
      found ??= summary
      done.abort()
    },
    done.signal,
  )
  if (found === null) throw new Refusal('top', 'the switch ended', 'see its log')
  return found
}

export function top(program: Command): void {
  withSocket(
    program.command('top').description('what the switch does now: ports and flows by rate, drops, load'),
  )
    .option('--once', 'one view as text, then end')
    .option('--json', 'with --once: an object')
    .option('--interval <seconds>', 'time between samples', between(0.25, 60), 1)
    .option('--network <network>', 'of one network only')
    .option('--flows <count>', 'how many of the busiest flows', between(0, 100), 50)
    .action(async ({ once: isOnce, json, interval, network, flows }: Options, command: Command) => {
      const socket = socketOf(command.optsWithGlobals())
      const wish: Wish = {
        socket,
        intervalMs: Math.round(interval * 1000),
        flows: Math.floor(flows),
        network,
      }
      if (isOnce) {
        const summary = await once(wish)
        const width = process.stdout.columns || Number.POSITIVE_INFINITY
        process.stdout.write(json ? `${JSON.stringify(summary, null, 2)}\n` : text(summary, width))
        return
      }
      if (json) throw new Refusal('top --json', 'is for one view', 'add --once')
      const why = Screen.refusal()
      if (why !== null) throw new Refusal('top', why, 'use --once for one view as text')
      const status = await new Session(wish).run()
      process.exit(status)
    })
}
