/** The API's routes for rules: listed, printed, replaced, checked. */
import * as z from 'zod'
import { TABLES } from '../chain/rule.ts'
import * as answer from './answer.ts'
import { done, type Route, whole } from './route.ts'

const flag = z.enum(['true', 'false'], 'true or false').optional()
const Rules = z.strictObject({
  search: z
    .string('a text')
    .max(500, 'at most 500 characters')
    .optional()
    .describe('only rules that have it in their text, chain or table'),
  offset: whole(0, 1_000_000).describe('leaves out so many of them'),
  limit: whole(1, 1_000_000).describe('at most so many'),
})
const Save = z.strictObject({ counters: flag.describe('print the counters of rules, too') })
const Restore = z.strictObject({
  counters: flag.describe('counters begin with those of the text'),
  noflush: flag.describe('rules that there are stay'),
  table: z.enum(TABLES, TABLES.join(', ')).optional().describe('restore this table only'),
})

export const firewall: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/rules',
    summary: 'Rules in force and the policies of their base chains, with their counters',
    query: Rules,
    answer: z.array(answer.RuleAnswer),
    handle: ({ fabric }, { query: { search = '', offset = 0, limit = Number.POSITIVE_INFINITY } }) =>
      fabric.rules({ search, offset: Number(offset), limit: Number(limit) }),
  },
  {
    method: 'GET',
    path: '/v1/rules/text',
    summary: "Rules in force in iptables-save's format",
    query: Save,
    answer: answer.TextAnswer,
    handle: ({ fabric }, { query }) => ({ text: fabric.saveRules(query.counters === 'true') }),
  },
  {
    method: 'PUT',
    path: '/v1/rules',
    summary: "Replace rules by a text in iptables-save's format; tables that it does not name stay",
    query: Restore,
    text: true,
    answer: answer.DoneAnswer,
    handle: ({ registry }, { query, body }) => {
      const { counters, noflush, table } = query as z.infer<typeof Restore>
      const how = { counters: counters === 'true', noflush: noflush === 'true' }
      const only = table === undefined ? {} : { table }
      return done(registry.restoreRules(body as string, { ...how, ...only }))
    },
  },
  {
    method: 'POST',
    path: '/v1/rules/check',
    summary: 'What is wrong with a text, and what it says in vain; nothing changes',
    text: true,
    answer: z.array(answer.FindingAnswer),
    handle: ({ fabric }, { body }) => fabric.checkRules(body as string),
  },
]
