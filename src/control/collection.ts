/** The API's routes for sets. */
import * as z from 'zod'
import * as answer from './answer.ts'
import { done, type Route, whole } from './route.ts'

const flag = z.enum(['true', 'false'], 'true or false').optional()
const exist = flag.describe('what is there already, or is not there, is no mistake')
const One = z.strictObject({ name: z.string().optional().describe('of one set') })
const Listed = One.extend({ limit: whole(0, 1_000_000).describe('at most so many entries of each') })
const word = z.string().regex(/^[^\s"'\\#]+$/, 'a word without blanks and quotes')
const NewSet = z.strictObject({
  name: word,
  type: word.describe('as ipset names it: hash:ip'),
  options: z.array(word).optional().describe('as ipset writes them: ["timeout", "600"]'),
  exist: z.boolean().optional(),
})
const NewEntry = z.strictObject({
  entry: word.describe('as ipset writes it: 10.0.0.0/8, or 10.0.0.1,udp:53'),
  options: z.array(word).optional().describe('as ipset writes them: ["timeout", "60"]'),
  exist: z.boolean().optional(),
})
const Entry = z.strictObject({ entry: word, exist })
const Asked = z.strictObject({ entry: word, nomatch: flag.describe('ask for an entry that says nomatch') })

export const collection: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/sets',
    summary: 'Sets that rules ask, with their entries',
    query: Listed,
    answer: z.array(answer.SetAnswer),
    handle: ({ fabric }, { query: { name, limit } }) =>
      fabric.sets.rows(name, Number(limit ?? Number.POSITIVE_INFINITY)),
  },
  {
    method: 'GET',
    path: '/v1/sets/text',
    summary: "Sets in ipset save's format",
    query: One,
    answer: answer.TextAnswer,
    handle: ({ fabric }, { query }) => ({ text: fabric.sets.save(query.name) }),
  },
  {
    method: 'PUT',
    path: '/v1/sets',
    summary: 'Carry out a text as ipset restore does, whole or not at all',
    query: z.strictObject({ exist }),
    text: true,
    answer: answer.DoneAnswer,
    handle: ({ registry }, { query, body }) =>
      done(registry.changeSets((sets) => sets.restore(body as string, query.exist === 'true'))),
  },
  {
    method: 'POST',
    path: '/v1/sets',
    summary: 'Create a set',
    body: NewSet,
    answer: answer.DoneAnswer,
    handle: ({ registry }, { body }) => {
      const { name, type, options = [], exist: lenient } = body as z.infer<typeof NewSet>
      const line = ['create', name, type, ...options].join(' ')
      return done(registry.changeSets((sets) => sets.restore(line, lenient)))
    },
  },
  {
    method: 'DELETE',
    path: '/v1/sets/{set}',
    summary: 'Destroy a set that neither rules nor lists use',
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params }) =>
      done(registry.changeSets((sets) => sets.empty('destroy', params.set))),
  },
  {
    method: 'POST',
    path: '/v1/sets/{set}/flush',
    summary: 'Remove all entries of a set',
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params }) =>
      done(registry.changeSets((sets) => sets.empty('flush', params.set))),
  },
  {
    method: 'GET',
    path: '/v1/sets/{set}/entries',
    summary: 'Whether an entry is in a set: an address in a set of networks is in it if a network of it is',
    query: Asked,
    answer: answer.MemberAnswer,
    handle: ({ fabric }, { params, query }) => {
      const inverse = query.nomatch === 'true' ? ['nomatch'] : []
      return { member: fabric.sets.test(params.set, [query.entry, ...inverse]) }
    },
  },
  {
    method: 'POST',
    path: '/v1/sets/{set}/entries',
    summary: 'Add an entry, or several that a range stands for',
    body: NewEntry,
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params, body }) => {
      const { entry, options = [], exist: lenient = false } = body as z.infer<typeof NewEntry>
      return done(registry.changeSets((sets) => sets.change('add', params.set, [entry, ...options], lenient)))
    },
  },
  {
    method: 'DELETE',
    path: '/v1/sets/{set}/entries',
    summary: 'Remove an entry, or several that a range stands for',
    query: Entry,
    answer: answer.DoneAnswer,
    handle: ({ registry }, { params, query }) => {
      const lenient = query.exist === 'true'
      return done(registry.changeSets((sets) => sets.change('del', params.set, [query.entry], lenient)))
    },
  },
]
