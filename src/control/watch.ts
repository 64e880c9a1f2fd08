/** The API's route for those who look on: a stream of server-sent events. */
import * as z from 'zod'
import * as answer from './answer.ts'
import { type Route, whole } from './route.ts'

const INTERVAL_MS = 1000
const FLOWS = 20
const Watch = z.strictObject({
  interval: whole(250, 60_000).describe(`milliseconds between samples, ${INTERVAL_MS} unless given`),
  flows: whole(0, 100).describe(`how many of the busiest flows, ${FLOWS} unless given`),
})

const counters = {
  rxFrames: true,
  rxBytes: true,
  txFrames: true,
  txBytes: true,
  unlearned: true,
  drops: true,
} as const
const count = z.number().min(0)

export const PictureAnswer = z.strictObject({
  version: z.string(),
  pid: z.int(),
  networks: z.array(answer.NetworkAnswer),
  ports: z
    .array(answer.PortAnswer.omit(counters).extend({ type: z.string() }))
    .describe('those of gateways too: NETWORK, which stands for it inside, and NETWORK-uplink'),
  workers: z.int(),
})

export const SampleAnswer = z.strictObject({
  time: count.describe('milliseconds since 1970'),
  seconds: count.describe('that the rates are over; 0: none was measured yet'),
  uptimeSeconds: count,
  memoryBytes: count,
  ports: z
    .record(z.string(), z.tuple([count, count, count, count, count]))
    .describe(
      'by name, a second: frames and bytes received, frames and bytes sent, frames dropped; without ports at rest',
    ),
  drops: z
    .record(z.string(), z.record(z.string(), count))
    .describe('frames dropped in all, by port and reason'),
  workers: z.array(z.strictObject({ busy: count.max(1), frames: count.describe('a second') })),
  flows: z.strictObject({
    count,
    capacity: count,
    created: count.describe('a second'),
    top: z
      .array(answer.FlowAnswer.extend({ packetRate: count, byteRate: count }))
      .describe('the busiest by bytes, in both directions'),
  }),
  captures: count.describe('under way'),
})

export const watch: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/live',
    summary:
      'What happens, as server-sent events: `picture`, who is plugged in where, first and when it has changed; `sample` again and again',
    query: Watch,
    type: 'text/event-stream',
    answer: z.union([PictureAnswer, SampleAnswer]),
    handle: ({ audience }, { query, isForeign }) =>
      audience.watch(Number(query.interval ?? INTERVAL_MS), Number(query.flows ?? FLOWS), isForeign),
  },
]
