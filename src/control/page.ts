/** The page: three files that the build made, read once and answered with a tag, so that a browser asks but seldom loads. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { home } from '../memory/package.ts'
import { Absent } from './refusal.ts'

const FILES = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['/page.css', 'page.css', 'text/css; charset=utf-8'],
] as const

function read(file: string): Buffer | null {
  try {
    return readFileSync(join(home(import.meta.url), 'dist/page', file))
  } catch {
    return null // nobody has built it
  }
}

/** Whether a client that has the file under these tags need not load it. */
function isKnown(tags: string | undefined, tag: string): boolean {
  return (tags ?? '').split(',').some((each) => ['*', tag, `W/${tag}`].includes(each.trim()))
}

export function servePage(app: FastifyInstance): void {
  for (const [path, file, type] of FILES) {
    const body = read(file)
    const tag = `"${createHash('sha256')
      .update(body ?? '')
      .digest('base64url')
      .slice(0, 22)}"`
    app.get(path, (request, reply) => {
      if (body === null) throw new Absent('the page', 'it was not built', 'run npm run build and start again')
      reply.header('etag', tag).header('cache-control', 'no-cache')
      if (isKnown(request.headers['if-none-match'], tag)) return reply.code(304).send()
      return reply.type(type).send(body)
    })
  }
}
