/** The daemon's API as the command line calls it: HTTP over the unix socket. */
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { meant } from '../control/home.ts'
import { Refusal } from '../control/refusal.ts'

/** A reload of a thousand ports takes seconds; what takes longer than this hangs. */
const ANSWER_MS = 60_000

/** The socket to use: --socket, else $BRIDGEPORT_SOCKET, else the user's own or the system's. */
export function socketOf(options: { socket?: string }): string {
  return options.socket ?? (process.env.BRIDGEPORT_SOCKET || meant())
}

/** Why nobody answered, as the user has to know it. */
export function unreachable(socket: string, error: NodeJS.ErrnoException): Refusal {
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return new Refusal(
      `socket ${socket}`,
      'permission denied',
      'run as root (sudo) or join the group of the socket',
    )
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
    return Refusal.of([`no switch answers at ${socket}; start it with \`bridgeport up\``])
  return new Refusal(`socket ${socket}`, error.message, 'see the log of the switch')
}

/** The JSON of an answer. Throws a Refusal with the daemon's own line. */
export function understood<T>(socket: string, status: number, text: string): T {
  let answer: T & { error?: string; lines?: string[] }
  try {
    answer = JSON.parse(text)
  } catch {
    throw new Refusal(`socket ${socket}`, 'what answers there is no switch', 'choose another with --socket')
  }
  if (status < 400) return answer
  throw Refusal.of(answer.lines ?? [answer.error ?? `the switch answered ${status}`])
}

/** Reads an answer to its end; resolves to its JSON. Throws a Refusal with the daemon's own line. */
async function read<T>(socket: string, response: IncomingMessage): Promise<T> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of response) chunks.push(chunk)
  } catch (error) {
    throw unreachable(socket, error as Error)
  }
  return understood(socket, response.statusCode ?? 500, Buffer.concat(chunks).toString('utf8'))
}

/** Calls the API; resolves to the answer's JSON. Throws a Refusal with the daemon's own line. */
export function call<T>(
  socket: string,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object | string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const type = typeof body === 'string' ? 'text/plain' : 'application/json'
    const headers =
      text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }
    const asked = request({ socketPath: socket, method, path, headers, agent: false }, (response) =>
      resolve(read(socket, response)),
    )
    asked.on('error', (error) => reject(unreachable(socket, error)))
    asked.setTimeout(ANSWER_MS, () => asked.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)))
    asked.end(text)
  })
}

/** Calls `online` with every line of an answer that goes on, until the switch ends or `signal` says so; rejects if the connection breaks. */
export function follow(
  socket: string,
  path: string,
  online: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => (signal?.aborted ? resolve() : reject(unreachable(socket, error)))
    const asked = request({ socketPath: socket, path, agent: false, signal }, (response) => {
      if (response.statusCode !== 200) {
        resolve(read(socket, response))
        return
      }
      const lines = createInterface({ input: response })
      lines.on('error', failed).on('close', resolve)
      lines.on('line', (line) => {
        try {
          online(line)
        } catch (error) {
          reject(error)
          lines.close()
          asked.destroy()
        }
      })
    })
    asked.on('error', failed)
    asked.end()
  })
}
