/** The API's routes for what gateways do: published ports, connections, neighbours. */
import * as z from 'zod'
import { NewPublish } from './added.ts'
import * as answer from './answer.ts'
import { done, type Route, whole } from './route.ts'
import * as schema from './schema.ts'

/** A listing is one text: more rows than these do not fit into memory well. */
const FLOWS_MAX = 100_000
const SEARCH_MAX = 500
const Address = z.ipv4('an IPv4 address').optional()
const Which = z.strictObject({
  protocol: z.enum(['tcp', 'udp', 'icmp', 'gre', 'sctp'], 'tcp, udp, icmp, gre or sctp').optional(),
  source: Address,
  destination: Address,
})
const Flows = Which.extend({
  network: schema.Name.optional(),
  protocol: z
    .enum(['tcp', 'udp', 'icmp', 'gre', 'sctp', 'unknown'], 'tcp, udp, icmp, gre, sctp or unknown')
    .optional(),
  search: z
    .string('words')
    .max(SEARCH_MAX, `at most ${SEARCH_MAX} characters`)
    .optional()
    .describe(
      'words that must all fit: an address, a prefix, a port, an address:port, a protocol, a state of TCP, unreplied, assured, a network',
    ),
  limit: whole(1, FLOWS_MAX),
})

export const traffic: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/publish',
    summary: 'Published ports',
    answer: z.array(answer.PublishAnswer),
    handle: ({ fabric }) => fabric.publish(),
  },
  {
    method: 'POST',
    path: '/v1/publish',
    summary: 'Publish a port of a guest',
    body: NewPublish,
    answer: answer.PublishAnswer,
    handle: ({ registry }, { body }) => registry.addPublish(body as z.infer<typeof NewPublish>),
  },
  {
    method: 'DELETE',
    path: '/v1/publish/{publish}',
    summary: 'Take back a port that was published at run time, named as listings show it',
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params }) => done(registry.removePublish(params.publish)),
  },
  {
    method: 'GET',
    path: '/v1/neighbours',
    summary: 'Neighbours that the gateways know by ARP',
    answer: z.array(answer.NeighbourAnswer),
    handle: ({ fabric }) => fabric.neighbours(),
  },
  {
    method: 'DELETE',
    path: '/v1/neighbours',
    summary: 'Forget learned neighbours, of one network if named',
    query: z.strictObject({ network: z.string().optional() }),
    answer: answer.FlushAnswer,
    handle: async ({ fabric }, { query }) => ({ flushed: await fabric.flushNeighbours(query.network) }),
  },
  {
    method: 'GET',
    path: '/v1/conntrack',
    summary: `Connections that the gateways track, at most ${FLOWS_MAX}`,
    query: Flows,
    answer: z.array(answer.FlowAnswer),
    handle: ({ fabric }, { query }) => fabric.flows({ ...query, limit: Number(query.limit ?? FLOWS_MAX) }),
  },
  {
    method: 'DELETE',
    path: '/v1/conntrack',
    summary: 'Forget connections, all or those that match; their next packets begin new ones',
    query: Which,
    answer: answer.FlushAnswer,
    handle: async ({ fabric }, { query }) => ({ flushed: await fabric.flushFlows(query) }),
  },
]
