/** The API's routes for what rules tell, and for why a packet goes where it goes. */
import * as z from 'zod'
import { TABLES } from '../chain/rule.ts'
import { REASONS } from '../pipeline/reason.ts'
import { FlowAnswer } from './answer.ts'
import type { Route } from './route.ts'

const name = z.string()
const place = z.int().min(0)

const EventAnswer = z.strictObject({
  id: z.int().describe('counts up; since asks for later ones'),
  time: z.iso.datetime(),
  kind: z.enum(['log', 'nflog', 'trace', 'lost']).describe('lost: more was told than is kept'),
  level: z.string().nullable().describe('of a LOG rule, as syslog names it'),
  prefix: z.string(),
  group: z.int().nullable().describe('of an NFLOG rule'),
  table: z.enum(TABLES).nullable(),
  chain: z.string().nullable(),
  rule: z.int().nullable().describe('its place in the chain; a policy stands behind the last rule'),
  line: z.int().nullable().describe('of the text that brought the rule'),
  hook: z.string().nullable(),
  ingress: z.string().nullable().describe('port, or network where that is not known'),
  egress: z.string().nullable(),
  mark: z.int(),
  text: z.string().describe("as the kernel's log has it"),
})

const StepAnswer = z.strictObject({
  table: z.enum(TABLES),
  hook: z.string(),
  chain: z.string(),
  depth: place.describe('0 in a base chain'),
  rule: place.describe('its place in the chain; a policy stands behind the last rule'),
  line: place,
  text: z.string(),
  matched: z.boolean(),
  why: z.string().describe('the first condition that does not hold, or what the rule did'),
  depends: z.array(z.string()).describe('matches that remember other packets: taken to match'),
})

const WhyAnswer = z.strictObject({
  flow: z.string().describe('as it is understood'),
  network: name,
  port: name.nullable().describe('null where nobody knows it'),
  state: z.enum(['NEW', 'ESTABLISHED', 'INVALID', 'UNTRACKED']),
  connection: FlowAnswer.nullable().describe('that it belongs to'),
  stages: z.array(
    z.strictObject({
      title: z.string().describe('filter FORWARD, conntrack, route, …'),
      says: z.string(),
      rules: z.array(StepAnswer),
    }),
  ),
  source: z.string().describe('as it leaves'),
  destination: z.string(),
  egress: name.nullable(),
  nextHop: z.string().nullable(),
  depends: z.array(z.string()),
  verdict: z.enum(['passes', 'dropped', 'rejected']),
  reason: z.string().nullable().describe('of dropped_frames_total'),
  text: z.string(),
})

const Since = z.strictObject({
  since: z.coerce.number('a number').int().min(0).optional().describe('only events with a greater id'),
  follow: z
    .enum(['true', 'false'], 'true or false')
    .optional()
    .describe('true: a line of JSON for each, without end'),
})
const Flow = z.strictObject({
  flow: z.string('a flow, as tcp 10.0.2.15:40000 > 198.51.100.1:443').max(500),
  port: z.string().optional().describe('port or network that it comes in by'),
})

export const explained: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/reasons',
    summary: 'Why frames are dropped: each reason that counters name, and what it says',
    answer: z.array(z.strictObject({ name, meaning: z.string() })),
    handle: () => REASONS,
  },
  {
    method: 'GET',
    path: '/v1/rules/events',
    summary: 'What LOG, NFLOG and TRACE told of packets, the last 1,000',
    query: Since,
    answer: z.array(EventAnswer),
    handle: ({ fabric }, { query }) => {
      const since = Number(query.since ?? 0)
      return query.follow === 'true' ? fabric.events.stream(since) : fabric.events.list(since)
    },
  },
  {
    method: 'GET',
    path: '/v1/why',
    summary: 'What would happen to a packet, hook by hook; nothing is sent',
    query: Flow,
    answer: WhyAnswer,
    handle: ({ fabric }, { query }) => fabric.rulebook.why(query.flow, query.port),
  },
  {
    method: 'POST',
    path: '/v1/why',
    summary: 'The same, asked in a body',
    body: Flow,
    answer: WhyAnswer,
    handle: ({ fabric }, { body }) => {
      const { flow, port } = body as z.infer<typeof Flow>
      return fabric.rulebook.why(flow, port)
    },
  },
]
