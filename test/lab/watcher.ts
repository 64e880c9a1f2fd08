/** Somebody who looks on: a stream of server-sent events, taken apart. */
import { type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http'
import type { Picture, Sample } from '../../src/control/live/live.ts'
import { eventually } from './command.ts'

interface Told {
  id: number
  event: string
  /** as it was sent */
  text: string
}

export class Watcher {
  readonly told: Told[] = []
  readonly status: number
  readonly type: string
  /** everything that came */
  text = ''
  isOver = false
  private readonly asked: ClientRequest
  private readonly response: IncomingMessage

  private constructor(asked: ClientRequest, response: IncomingMessage) {
    this.asked = asked
    this.response = response
    this.status = response.statusCode ?? 0
    this.type = response.headers['content-type'] ?? ''
    response.setEncoding('utf8')
    response.on('error', () => {})
    response.on('close', () => {
      this.isOver = true
    })
  }

  static open(where: RequestOptions, query = ''): Promise<Watcher> {
    return new Promise((resolve, reject) => {
      const asked = request({ ...where, path: `/v1/live${query}`, agent: false })
      asked.on('response', (response) => {
        const watcher = new Watcher(asked, response)
        let rest = ''
        response.on('data', (chunk: string) => {
          watcher.text += chunk
          const blocks = (rest + chunk).split('\n\n')
          rest = blocks.pop() ?? ''
          for (const block of blocks) watcher.take(block)
        })
        resolve(watcher)
      })
      asked.on('error', reject)
      asked.end()
    })
  }

  private take(block: string): void {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? ''
    if (field('event') !== '')
      this.told.push({ id: Number(field('id')), event: field('event'), text: field('data') })
  }

  get pictures(): Picture[] {
    return this.told.filter(({ event }) => event === 'picture').map(({ text }) => JSON.parse(text))
  }

  get samples(): Sample[] {
    return this.told.filter(({ event }) => event === 'sample').map(({ text }) => JSON.parse(text))
  }

  /** The first sample, of those there are or come, that is as wanted. */
  sample(what: string, isWanted: (sample: Sample) => boolean): Promise<Sample> {
    return eventually(what, () => this.samples.find(isWanted)) as Promise<Sample>
  }

  picture(what: string, isWanted: (picture: Picture) => boolean): Promise<Picture> {
    return eventually(what, () => this.pictures.find(isWanted)) as Promise<Picture>
  }

  /** Reads no more. */
  pause(): void {
    this.response.pause()
  }

  close(): void {
    this.asked.destroy()
  }
}
