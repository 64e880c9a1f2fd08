/** The API's routes for what gateways do: published ports, connections, neighbours. */
import * as z from 'zod'
import { NewPublish } from './added.ts'
import * as answer from './answer.ts'
import { done, type Route } from './route.ts'

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
]
