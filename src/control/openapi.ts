/** The OpenAPI description of the API, made from the schemas that validate it. docs/openapi.json is a copy that a test compares. */
import * as z from 'zod'
import { ErrorAnswer } from './answer.ts'
import type { Route } from './route.ts'
import { routes } from './routes.ts'
import { version } from './version.ts'

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io }) as Record<string, unknown>
  return rest
}

function content(schema: z.ZodType, io: 'input' | 'output'): object {
  return { content: { 'application/json': { schema: jsonSchema(schema, io) } } }
}

/** A stream is described by what each of its events carries. */
function answer({ answer: schema, type }: Route): object {
  if (type === undefined) return content(schema as z.ZodType, 'output')
  return { content: { [type]: { schema: jsonSchema(schema as z.ZodType, 'output') } } }
}

const text = { required: true, content: { 'text/plain': { schema: { type: 'string' } } } }
const error = { $ref: '#/components/responses/error' }

function operation(route: Route): object {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
  const path = names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))
  const properties =
    route.query === undefined ? {} : (jsonSchema(route.query, 'input') as { properties: object }).properties
  const query = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema,
  }))
  const parameters = [...path, ...query]
  const success = route.answer === undefined ? {} : { 200: { description: 'Done', ...answer(route) } }
  const readOnly = route.method === 'GET' ? {} : { 403: error, 400: error, 409: error }
  return {
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.text ? { requestBody: text } : {}),
    ...(route.body === undefined ? {} : { requestBody: { required: true, ...content(route.body, 'input') } }),
    responses: {
      ...success,
      ...readOnly,
      ...(names.length === 0 ? {} : { 404: error }),
    },
  }
}

export function document(): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    paths[route.path] ??= {}
    paths[route.path][route.method.toLowerCase()] = operation(route)
  }
  const description =
    'HTTP over the unix socket of the daemon. The TCP address of `http:` serves the GET part, with /metrics and /healthz.'
  return {
    openapi: '3.1.0',
    info: { title: 'Bridgeport', version, description, license: { name: 'MIT', identifier: 'MIT' } },
    paths,
    components: {
      responses: {
        error: {
          description: 'Refused: one line says what, why and what to do',
          ...content(ErrorAnswer, 'output'),
        },
      },
    },
  }
}
