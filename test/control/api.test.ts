/** The API of a running switch: every answer is what the description says, the TCP side only reads. */
import { request } from 'node:http'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { routes } from '../../src/control/routes.ts'
import { cleanup } from '../lab/cleanup.ts'
import { Daemon } from '../lab/daemon.ts'
import { suite } from '../lab/peer.ts'

interface Answer {
  status: number
  body: unknown
}

function ask(socket: string, method: string, path: string, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const asked = request({ socketPath: socket, method, path, headers, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: text.startsWith('<') ? text : JSON.parse(text) }),
      )
    })
    asked.on('error', reject)
    asked.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}

suite('the API', [], () => {
  let daemon: Daemon
  beforeAll(async () => {
    daemon = await Daemon.start({
      networks: { lan: { mode: 'host-only', subnet: '10.7.0.0/24' } },
      ports: { t: { network: 'lan', type: 'tap' }, q: { network: 'lan', type: 'qemu-tap' } },
    })
  })
  afterAll(cleanup)

  const call = (method: string, path: string, body?: unknown) => ask(daemon.socket, method, path, body)

  it('answers as described', async () => {
    await call('POST', '/v1/macs', { network: 'lan', mac: '52:54:00:00:00:01', port: 't' })
    for (const name of ['a', 'b'])
      await call('POST', '/v1/sets', { name, type: 'hash:ip', options: ['timeout', '60'] })
    await call('POST', '/v1/sets/a/entries', { entry: '192.0.2.1', options: ['timeout', '30'] })
    const asked: Record<string, string> = {
      '/v1/sets/{set}/entries': '/v1/sets/a/entries?entry=192.0.2.1',
      '/v1/ports/{name}/attachment': '/v1/ports/q/attachment?memory=2G',
      '/v1/why': `/v1/why?${new URLSearchParams({ flow: 'icmp 10.7.0.2 > 10.7.0.1' })}`,
    }
    const { body: description } = await call('GET', '/v1/openapi.json')
    const { paths } = description as {
      paths: Record<
        string,
        { get?: { responses: Record<string, { content: Record<string, { schema: object }> }> } }
      >
    }
    const ajv = new Ajv2020({ strict: false })
    for (const { path, method, type } of routes) {
      if (method !== 'GET' || type !== undefined) continue
      const { status, body } = await call('GET', asked[path] ?? path)
      expect(status, path).toBe(200)
      const schema = paths[path].get?.responses['200'].content['application/json'].schema as object
      const validate = ajv.compile(schema)
      expect(validate(body), `${path}: ${ajv.errorsText(validate.errors)} ${JSON.stringify(body)}`).toBe(true)
    }
  })

  it('adds and removes, and a second time is refused', async () => {
    const added = await call('POST', '/v1/networks', { name: 'lab', mode: 'internal' })
    expect(added).toMatchObject({ status: 200, body: { name: 'lab', origin: 'runtime' } })
    expect((await call('POST', '/v1/networks', { name: 'lab', mode: 'internal' })).status).toBe(409)
    const port = { name: 'p', network: 'lab', type: 'tap', mtu: 1400 }
    expect(await call('POST', '/v1/ports', port)).toMatchObject({
      status: 200,
      body: { mtu: 1400, state: 'up' },
    })
    expect((await call('DELETE', '/v1/networks/lab')).status).toBe(409)
    expect((await call('DELETE', '/v1/ports/p')).status).toBe(200)
    expect((await call('DELETE', '/v1/ports/p')).status).toBe(404)
    expect((await call('DELETE', '/v1/networks/lab')).status).toBe(200)
  })

  it.each([
    [
      'POST',
      '/v1/ports',
      { name: 'p', network: 'lan', type: 'tap', mtu: 'x' },
      400,
      /ports\.p\.mtu: found "x"/,
    ],
    ['POST', '/v1/ports', { network: 'lan', type: 'tap' }, 400, /name: found nothing/],
    ['POST', '/v1/ports', [], 400, /expected a mapping/],
    ['POST', '/v1/ports', 'not json', 400, /JSON/],
    ['POST', '/v1/ports', { name: 't', network: 'lan', type: 'tap' }, 409, /there is a port of that name/],
    ['POST', '/v1/ports', { name: 'p', network: 'lan', type: 'memory' }, 409, /inside a program/],
    ['POST', '/v1/ports', { name: 'p', network: 'lan', type: 'nic', device: 'moon0' }, 409, /no card moon0/],
    ['POST', '/v1/networks', { name: 'n', mode: 'nat' }, 409, /networks\.n\.subnet: found nothing/],
    ['POST', '/v1/networks', { name: 'n', mode: 'internal', subnet: '10.7.0.0/25' }, 409, /overlap/],
    ['POST', '/v1/macs', { network: 'lan', mac: 'x', port: 't' }, 400, /mac: found "x"/],
    ['POST', '/v1/macs', { network: 'lan', mac: '52:54:00:00:00:02', port: 'moon' }, 409, /no port moon/],
    ['DELETE', '/v1/macs/lan/52:54:00:00:00:77', undefined, 409, /no such static entry/],
    ['DELETE', '/v1/ports/t', undefined, 409, /defines it; edit the file/],
    ['GET', '/v1/ports/moon/attachment', undefined, 404, /there is none of that name/],
    ['GET', '/v1/ports/t/attachment', undefined, 409, /no guest is plugged into a tap/],
    ['GET', '/v1/ports/q/attachment?memory=much', undefined, 400, /found "much", expected a size such as 1G/],
    ['GET', '/v1/moon', undefined, 404, /openapi/],
  ])('%s %s %j is refused in one line', async (method, path, body, status, line) => {
    const answer = await call(method, path, body)
    expect(answer.status).toBe(status)
    const { error } = answer.body as { error: string }
    expect(error).toMatch(line)
    expect(error).not.toContain('\n')
  })

  it('reads only over TCP, and only for its own name', async () => {
    const script = `fetch(process.argv[1], { method: process.argv[2] }).then(async (r) => console.log(r.status, (await r.text()).slice(0, 60)))`
    const fetched = (path: string, method = 'GET') =>
      daemon.host.exec([process.execPath, '-e', script, `http://127.0.0.1:9477${path}`, method])
    expect(await fetched('/v1/status')).toMatch(/^200 \{"version"/)
    expect(await fetched('/healthz')).toMatch(/^200 ok/)
    expect(await fetched('/v1/reload', 'POST')).toMatch(/^403 .*read-only/)
    expect(await fetched('/v1/ports/t', 'DELETE')).toMatch(/^403/)
    expect(await fetched('/v1/capture')).toMatch(/^403/)
    const rebound = `require('http').get({ port: 9477, headers: { host: 'evil.example' } }, (r) => console.log(r.statusCode))`
    expect(await daemon.host.exec([process.execPath, '-e', rebound])).toBe('403\n')
  })
})
