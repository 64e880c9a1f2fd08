/** The live stream as `bridgeport top` reads it: what is told of the switch becomes summaries of moments. */
import type { Picture, Sample } from '../../control/live/live.ts'
import { Refusal } from '../../control/refusal.ts'
import { follow } from '../client.ts'
import { type Summary, summarize } from './summary.ts'

export interface Wish {
  socket: string
  intervalMs: number
  /** how many of the busiest */
  flows: number
  /** of one network only */
  network?: string | undefined
}

function check({ networks }: Picture, name: string | undefined): void {
  if (name === undefined || networks.some((network) => network.name === name)) return
  throw new Refusal(`network ${name}`, 'there is none', 'see bridgeport network ls')
}

/** Calls `seen` with every moment until the stream ends; the first has the totals that the others are compared with, and perhaps no rates. */
export async function watch(
  { socket, intervalMs, flows, network }: Wish,
  seen: (summary: Summary, isFirst: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  let event = ''
  let picture: Picture | null = null
  let before: Sample | null = null
  await follow(
    socket,
    `/v1/live?interval=${intervalMs}&flows=${flows}`,
    (line) => {
      const [, field, value = ''] = /^(event|data): (.*)$/.exec(line) ?? []
      if (field === 'event') event = value
      else if (field === 'data' && event === 'picture') {
        picture = JSON.parse(value) as Picture
        check(picture, network)
      } else if (field === 'data' && event === 'sample') {
        const sample = JSON.parse(value) as Sample
        if (picture !== null) seen(summarize(picture, sample, before ?? sample, network), before === null)
        before = sample
      }
    },
    signal,
  )
}
