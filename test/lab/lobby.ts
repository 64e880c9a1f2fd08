/** A switch of memory ports and its API on TCP, in this process; asked over bare sockets, so that a request is what a test wrote. */
import { connect, type Socket } from 'node:net'
import { Api, type Serving } from '../../src/control/api.ts'
import { Audience } from '../../src/control/live/audience.ts'
import { Metrics } from '../../src/control/metrics/metrics.ts'
import { configure, type FileInput, Switch } from '../../src/index.ts'

export const lab: FileInput = {
  networks: { lab: { mode: 'internal' } },
  ports: { a: { network: 'lab', type: 'memory' }, b: { network: 'lab', type: 'memory' } },
}

/** Shorter than a daemon's, for tests that wait for it. */
const ASK_MS = 1000

export class Lobby {
  readonly api: Api
  readonly fabric: Switch
  readonly audience: Audience
  readonly port: number
  /** defects that the API told of */
  readonly defects: Error[]

  private constructor(api: Api, fabric: Switch, audience: Audience, port: number, defects: Error[]) {
    this.api = api
    this.fabric = fabric
    this.audience = audience
    this.port = port
    this.defects = defects
  }

  static async open(input: FileInput = lab): Promise<Lobby> {
    const defects: Error[] = []
    const fabric = await Switch.start(configure(input), { info() {}, warn() {} })
    const api = await Api.create((error) => defects.push(error))
    const port = await api.listenTcp('127.0.0.1', 0, ASK_MS)
    const audience = new Audience(fabric)
    // What only the unix socket or the file is asked for has no part here.
    api.serve({ fabric, audience, metrics: await Metrics.start(fabric, audience) } as unknown as Serving)
    return new Lobby(api, fabric, audience, port, defects)
  }

  async close(): Promise<void> {
    await this.api.close()
    await this.fabric.close()
  }

  connect(): Socket {
    const socket = connect(this.port, '127.0.0.1').resume()
    socket.on('error', () => {})
    return socket
  }

  /** Sends these lines as a request's head and resolves to all that comes until the connection ends. */
  raw(...lines: string[]): Promise<string> {
    return new Promise((resolve) => {
      const socket = this.connect()
      let text = ''
      socket.setEncoding('latin1')
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
      socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    })
  }

  /** The same with what every request has; resolves to the status, the head in small letters and the body. */
  async ask(target: string, ...headers: string[]): Promise<{ status: number; head: string; body: string }> {
    const line = /^[A-Z]+ /.test(target) ? target : `GET ${target}`
    const host = headers.some((each) => /^host:/i.test(each)) ? [] : [`Host: 127.0.0.1:${this.port}`]
    const text = await this.raw(`${line} HTTP/1.1`, 'Connection: close', ...host, ...headers)
    const [head = '', body = ''] = text.split('\r\n\r\n')
    return { status: Number(head.split(' ')[1]), head: head.toLowerCase(), body }
  }
}
