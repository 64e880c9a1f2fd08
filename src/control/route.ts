/** What a route of the API is: by which schema it is read and answered, and what it does. */
import * as z from 'zod'
import type { Audience } from './live/audience.ts'
import type { Registry } from './registry.ts'
import type { Switch } from './switch.ts'

/** What a handler works on. */
export interface Service {
  fabric: Switch
  registry: Registry
  audience: Audience
  /** the file that reload reads, found anew when none was named */
  reload: () => Promise<void>
  stop: () => void
}

export interface Call {
  params: Record<string, string>
  query: Record<string, string>
  body: unknown
  /** came over TCP */
  isForeign: boolean
  /** puts a header before the answer */
  head: (name: string, value: string) => void
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  summary: string
  query?: z.ZodType
  body?: z.ZodType
  /** the body is text/plain, of at most TEXT_LENGTH_MAX */
  text?: boolean
  /** the media type of an answer that is a stream without end */
  type?: string
  /** never served over TCP */
  isPrivate?: boolean
  answer?: z.ZodType
  handle: (service: Service, call: Call) => unknown
}

export function done(action: Promise<unknown>): Promise<{ done: true }> {
  return action.then(() => ({ done: true }))
}

/** A number in a query. */
export function whole(low: number, high: number) {
  const expected = `an integer from ${low} to ${high}`
  return z.coerce.number(expected).int(expected).min(low, expected).max(high, expected).optional()
}
