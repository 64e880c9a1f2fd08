/** `bridgeport rules log`: what LOG, NFLOG and TRACE told of packets. */
import type { Command } from 'commander'
import type { EventRow } from '../control/events.ts'
import { call, follow, socketOf } from './client.ts'
import { withSocket } from './option.ts'

interface Options {
  follow?: boolean
  json?: boolean
}

function print({ time, text }: EventRow): void {
  process.stdout.write(`${time} ${text}\n`)
}

/** Adds the command below `rules`. */
export function log(noun: Command): void {
  withSocket(noun.command('log').description('what LOG, NFLOG and TRACE told of packets'))
    .option('--follow', 'and what they tell from now on')
    .option('--json', 'an array of objects, with --follow an object a line')
    .action(async (options: Options, command: Command) => {
      const socket = socketOf(command.optsWithGlobals())
      if (options.follow) {
        await follow(socket, '/v1/rules/events?follow=true', (line) => {
          if (options.json) process.stdout.write(`${line}\n`)
          else print(JSON.parse(line) as EventRow)
        })
        return
      }
      const rows = await call<EventRow[]>(socket, 'GET', '/v1/rules/events')
      if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
      else rows.forEach(print)
    })
}
