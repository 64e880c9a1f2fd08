/**
 * The API over HTTP: everything on the unix socket, the reading part on TCP. One fastify instance serves both listeners; a
 * connection's listener decides what it may do, and is noted when it is accepted.
 */
import { createServer, type OutgoingHttpHeaders, type Server, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Recording } from './capture/recording.ts'
import { ASK_MS, CONNECTIONS_MAX, dismiss, objection, relieve, STRICT } from './foreign.ts'
import type { Metrics } from './metrics/metrics.ts'
import { document } from './openapi.ts'
import { servePage } from './page.ts'
import { expected, pathText, problems } from './problem.ts'
import { Absent, Busy, Refusal } from './refusal.ts'
import type { Route, Service } from './route.ts'
import { routes } from './routes.ts'
import { TEXT_LENGTH_MAX } from './written.ts'

/** Of a request on the unix socket, in bytes: the longest filter of a capture has room, each of its characters written as %xx. */
const HEAD_LENGTH_MAX = 2 ** 17

/** A daemon that serves; before that every request is answered 503. */
export interface Serving extends Service {
  metrics: Metrics
}

/** The status of an error and its body. */
function failure(error: Error & { statusCode?: number }): {
  status: number
  body: { error: string; lines?: string[] }
} {
  if (error instanceof Refusal) {
    const lines = [...error.lines]
    return {
      status: error instanceof Absent ? 404 : error instanceof Busy ? 503 : 409,
      body: lines.length > 1 ? { error: lines[0], lines } : { error: lines[0] },
    }
  }
  const status = error.statusCode ?? 500
  return { status, body: { error: error.message.split('\n')[0] } }
}

export class Api {
  private readonly app: FastifyInstance
  /** connections over TCP, and the paths that are not for them */
  private readonly outside = new Set<Socket>()
  private readonly inner = new Set(routes.filter(({ isPrivate }) => isPrivate).map(({ path }) => path))
  private readonly listeners: Server[] = []
  private configured = ''
  private serving: Serving | null = null
  private readonly onError: (error: Error) => void

  private constructor(app: FastifyInstance, onError: (error: Error) => void) {
    this.app = app
    this.onError = onError
  }

  /** Prepares the API; `onError` hears of defects, never of refusals. */
  static async create(onError: (error: Error) => void): Promise<Api> {
    const { fastify } = await import('fastify')
    const app = fastify({
      logger: false,
      forceCloseConnections: true,
      routerOptions: { maxParamLength: 256 },
      frameworkErrors: (error, request, reply) => api.admit(request, reply, () => api.fail(error, reply)),
    })
    const api = new Api(app, onError)
    app.addHook('onRequest', (request, reply, next) => api.admit(request, reply, next))
    app.setErrorHandler((error: Error, _request, reply) => api.fail(error, reply))
    app.setNotFoundHandler((request, reply) => {
      reply
        .code(404)
        .send({ error: `there is no ${request.method} ${request.url.split('?')[0]}; see /v1/openapi.json` })
    })
    // Made when somebody asks: most daemons are never asked.
    let description = ''
    app.get('/v1/openapi.json', (_request, reply) => {
      description ||= JSON.stringify(document())
      return reply.type('application/json').send(description)
    })
    app.get('/healthz', (_request, reply) => reply.type('text/plain').send('ok\n'))
    app.get('/metrics', async (_request, reply) => {
      const { metrics } = api.serving as Serving
      const page = await metrics.scrape()
      reply.raw.once('close', page.borrow())
      return reply.type(metrics.contentType).send(page.text)
    })
    servePage(app)
    for (const route of routes) api.add(route)
    await app.ready()
    return api
  }

  private add(route: Route): void {
    const url = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
    this.app.route({
      method: route.method,
      url,
      ...(route.text ? { bodyLimit: TEXT_LENGTH_MAX } : {}),
      handler: (request, reply) => this.handle(route, request, reply),
    })
  }

  private async handle(route: Route, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const params = request.params as Record<string, string>
    const isForeign = this.outside.has(request.raw.socket)
    const head = (name: string, value: string) => void reply.header(name, value)
    const call = {
      params,
      query: request.query as Record<string, string>,
      body: request.body,
      isForeign,
      head,
    }
    if (route.text && typeof call.body !== 'string')
      return reply.code(400).send({ error: 'the body is no text; send it as text/plain' })
    for (const part of ['query', 'body'] as const) {
      const result = route[part]?.safeParse(call[part] ?? {}, { error: expected })
      if (result === undefined || result.success) continue
      const section = route.path.split('/')[2]
      const name = (call.body as { name?: unknown } | undefined)?.name
      const prefix = typeof name === 'string' ? [section, name] : [section]
      const found = problems(result.error.issues, call[part], prefix)
      const { body } = failure(Refusal.of(found.map((each) => `${pathText(each.path)}: ${each.text}`)))
      return reply.code(400).send(body)
    }
    const result = await route.handle(this.serving as Serving, call)
    if (!(result instanceof Readable || result instanceof Recording))
      return reply.type('application/json').send(result)
    reply.type(route.type ?? 'application/x-ndjson')
    if (request.method !== 'HEAD')
      return result instanceof Recording ? this.pour(result, reply) : reply.send(result)
    // Nobody would ever end a stream of which only the head is wanted.
    result.destroy()
    return reply.send('')
  }

  /** A capture writes its answer itself. */
  private pour(recording: Recording, reply: FastifyReply): FastifyReply {
    reply.hijack()
    reply.raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders)
    recording.pour(reply.raw)
    return reply
  }

  /** Refuses what a connection may not ask for. */
  private admit(request: FastifyRequest, reply: FastifyReply, next: () => void): void {
    const refusal = this.outside.has(request.raw.socket) ? this.forbids(request) : null
    if (refusal !== null) reply.code(403).send({ error: refusal })
    else if (this.serving === null)
      reply.code(503).send({ error: 'the switch is starting or ending; try again' })
    else next()
  }

  /** Why a request over TCP is refused, or null: by the route that it met, however its path was written. */
  private forbids(request: FastifyRequest): string | null {
    const path = request.routeOptions.url ?? ''
    relieve(this.outside)
    const isInner = this.inner.has(path)
    const refusal = objection(request.raw, path, this.configured)
    return refusal ?? (isInner ? 'this is not served here; use the unix socket' : null)
  }

  private fail(error: Error, reply: FastifyReply): void {
    const { status, body } = failure(error)
    if (status === 500) this.onError(error)
    void reply.code(status).send(body)
  }

  /** Answers from now on; null refuses again. */
  serve(serving: Serving | null): void {
    if (serving === null) this.serving?.audience.close()
    this.serving = serving
  }

  /** Listens on a unix socket, readable and writable as `mode` says from its first moment. */
  async listenUnix(path: string, mode: number): Promise<void> {
    const server = this.listener({ maxHeaderSize: HEAD_LENGTH_MAX })
    const before = process.umask(0o777 & ~mode)
    // listen() binds before it returns, so nobody else's file is made under this umask.
    const listening = started(server, () => server.listen(path))
    process.umask(before)
    await listening
  }

  /** Listens on TCP, read-only; returns the port, which the kernel chose if 0 was asked for. */
  async listenTcp(host: string, port: number, askMs = ASK_MS): Promise<number> {
    this.configured = host
    const timeouts = { headersTimeout: askMs, requestTimeout: askMs, connectionsCheckingInterval: askMs / 2 }
    const server = this.listener(timeouts)
    server.maxConnections = CONNECTIONS_MAX
    server.on('connection', (socket) => {
      this.outside.add(socket)
      socket.once('close', () => this.outside.delete(socket))
    })
    await started(server, () => server.listen(port, host))
    return (server.address() as { port: number }).port
  }

  private listener(options: ServerOptions = {}): Server {
    const server = createServer(options, (request, response) => {
      for (const [name, value] of Object.entries(STRICT)) response.setHeader(name, value)
      this.app.routing(request, response)
    })
    server.on('clientError', dismiss)
    this.listeners.push(server)
    return server
  }

  /** Stops listening; answers under way are finished. */
  async close(): Promise<void> {
    this.serve(null)
    await Promise.all(
      this.listeners.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeIdleConnections()
            setTimeout(() => server.closeAllConnections(), 500).unref()
          }),
      ),
    )
    await this.app.close()
  }
}

/** Resolves when the server listens, rejects with the reason it cannot. */
function started(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    listen()
  })
}
