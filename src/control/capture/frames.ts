/** The API's routes for captures. */
import * as z from 'zod'
import * as answer from '../answer.ts'
import { done, type Route, whole } from '../route.ts'
import type { Wanted } from './capture.ts'
import { CAPTURE_HEADER, SNAP_MAX } from './pcapng.ts'

const EXPRESSION_MAX = 8192

const Capture = z
  .strictObject({
    port: z.string().optional().describe('its frames; NETWORK-uplink is one, too'),
    network: z
      .string()
      .optional()
      .describe('those of its ports; without both those of every port and uplink'),
    drops: z.enum(['true', 'false'], 'true or false').optional().describe('only frames that are dropped'),
    direction: z.enum(['in', 'out', 'both'], 'in, out or both').optional().describe('as the switch sees it'),
    snap: whole(0, SNAP_MAX).describe('bytes of each frame that are kept, 0 for all'),
    count: whole(1, Number.MAX_SAFE_INTEGER).describe('frames until it ends'),
    filter: z.string().max(EXPRESSION_MAX).optional().describe("an expression in libpcap's language"),
  })
  .refine(({ port, network }) => port === undefined || network === undefined, 'a port or a network, not both')

export const frames: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/capture',
    summary: `Frames as they come and go, as pcapng, until the connection is closed or the capture ended; its number is in the header ${CAPTURE_HEADER}`,
    query: Capture,
    type: 'application/x-pcapng',
    isPrivate: true,
    answer: z.string().meta({ format: 'binary' }),
    handle: async ({ fabric }, { query, head }) => {
      const { drops, snap, count, ...rest } = query
      const number = (text: string | undefined) => (text === undefined ? undefined : Number(text))
      const wanted = {
        ...rest,
        drops: drops === 'true',
        snap: number(snap) || undefined,
        count: number(count),
      }
      const recording = await fabric.capture.open(wanted as Wanted)
      head(CAPTURE_HEADER, recording.id)
      return recording
    },
  },
  {
    method: 'DELETE',
    path: '/v1/capture/{id}',
    summary: 'End a capture; what was recorded is still sent',
    answer: answer.DoneAnswer,
    handle: ({ fabric }, { params }) => done(fabric.capture.end(params.id)),
  },
]
