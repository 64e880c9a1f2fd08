/** What a stranger on the machine, or a page that a browser on it shows, gets from the TCP address: bare sockets say what he likes. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONNECTIONS_MAX, isOwnHost, relieve, STRICT } from '../../src/control/foreign.ts'
import { eventually } from '../lab/command.ts'
import { Lobby } from '../lab/lobby.ts'

it.each([
  ['127.0.0.1:9477', true],
  ['[::1]:9477', true],
  ['localhost', true],
  ['LOCALHOST:9477', true],
  ['switch.example:9477', true],
  ['evil.example', false],
  ['evil.example:9477', false],
  ['127.0.0.1.evil.example', false],
  [undefined, false],
  ['', false],
])('Host: %s is ours: %s', (header, own) => {
  expect(isOwnHost(header, 'switch.example')).toBe(own)
})

it('who leaves most unread goes when too much lies here', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const asked: Socket[] = []
  server.on('connection', (socket) => asked.push(socket.on('error', () => {})))
  const clients = [8, 60, 30].map(() => connect(port, '127.0.0.1'))
  await eventually('three connections', () => asked.length === 3)
  for (const [at, mebibytes] of [8, 60, 30].entries()) asked[at].write(Buffer.alloc(mebibytes * 2 ** 20))
  relieve(asked)
  expect(asked.map(({ destroyed }) => destroyed)).toEqual([false, true, false])
  relieve(asked)
  expect(asked.map(({ destroyed }) => destroyed)).toEqual([false, true, false])
  for (const socket of [...asked, ...clients]) socket.destroy()
  server.close()
})

describe('over TCP', () => {
  let lobby: Lobby
  beforeAll(async () => {
    lobby = await Lobby.open()
  })
  afterAll(() => lobby.close())

  it.each([
    ['/v1/ports', [], 200],
    ['/v1/ports', ['Host: evil.example'], 403],
    ['/v1/ports', ['Host: localhost', 'Origin: http://localhost'], 200],
    ['/v1/ports', ['Host: localhost', 'Origin: http://localhost:3000'], 403],
    ['/v1/ports', ['Host: localhost', 'Origin: https://localhost'], 403],
    ['/v1/ports', ['Origin: http://evil.example'], 403],
    ['/v1/ports', ['Origin: null'], 403],
    ['/v1/ports', ['Origin:'], 403],
    ['/v1/ports', ['Sec-Fetch-Site: cross-site'], 403],
    ['/v1/ports', ['Sec-Fetch-Site: same-site'], 403],
    ['/v1/ports', ['Sec-Fetch-Site: same-origin'], 200],
    ['/v1/ports', ['Sec-Fetch-Site: none', 'Sec-Fetch-Mode: navigate'], 200],
    [
      '/v1/ports',
      ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'],
      403,
    ],
    ['/', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: iframe'], 403],
    ['/', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image'], 403],
    ['/v1/live', ['Sec-Fetch-Site: cross-site'], 403],
    ['/v1/ports', ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: AAAA'], 403],
    ['POST /v1/reload', [], 403],
    ['DELETE /v1/ports/a', [], 403],
    ['PUT /v1/rules', ['Content-Length: 0'], 403],
    ['OPTIONS /v1/ports', ['Origin: http://evil.example', 'Access-Control-Request-Method: PUT'], 403],
    ['POST /v1/why', ['X-HTTP-Method-Override: GET', 'Content-Length: 0'], 403],
    ['HEAD /v1/ports', [], 200],
    ['/v1/capture', [], 403],
    ['HEAD /v1/capture', [], 403],
    ['/v1/capture?port=a', [], 403],
    ['/v1/%63apture', [], 403],
    ['http://127.0.0.1/v1/capture', [], 403],
    ['http://evil.example/v1/ports', [], 403],
    ['//v1/capture', [], 404],
    ['/v1//capture', [], 404],
    ['/v1/capture/', [], 404],
    ['/V1/Capture', [], 404],
    ['/v1/./capture', [], 404],
    ['/v1/%2e/capture', [], 404],
    ['/v1/ports/../capture', [], 404],
    ['/v1/capture%00', [], 404],
    ['/%zz', [], 400],
    ['/%zz', ['Host: evil.example'], 403],
    ['*', [], 403],
  ])('%s with %j is answered %i', async (target, headers, status) => {
    const answer = await lobby.ask(target, ...headers)
    expect(answer.status).toBe(status)
    if (status !== 200 && !target.startsWith('HEAD'))
      expect(JSON.parse(answer.body).error).not.toContain('\n')
    for (const [name, value] of Object.entries(STRICT))
      expect(answer.head).toContain(`${name}: ${value.toLowerCase()}`)
    expect(answer.head).not.toContain('access-control-allow')
  })

  it('a request that is none, or too large, ends its connection', async () => {
    expect(await lobby.raw('GET /v1/ports HTTP/1.1', 'Connection: close')).toMatch(/^HTTP\/1.1 400/)
    expect(await lobby.raw('GET /v1/ports', '')).toMatch(/^HTTP\/1.1 403/)
    expect(await lobby.raw('CONNECT evil.example:80 HTTP/1.1', 'Host: localhost')).toBe('')
    const smuggled = ['Host: localhost', 'Content-Length: 5', 'Transfer-Encoding: chunked']
    for (const [status, line, ...headers] of [
      [431, 'GET /v1/ports HTTP/1.1', 'Host: localhost', `X-Large: ${'a'.repeat(20_000)}`],
      [400, 'GET /v1/ports HTTP/1.1', ...smuggled],
      [400, 'FOO /v1/ports HTTP/1.1', 'Host: localhost'],
      [400, '\x16\x03\x01\x02', ''],
    ] as [number, string, ...string[]][]) {
      const [head = '', body = ''] = (await lobby.raw(line, ...headers)).split('\r\n\r\n')
      expect(head).toMatch(`HTTP/1.1 ${status} `)
      for (const [name, value] of Object.entries(STRICT)) expect(head).toContain(`${name}: ${value}`)
      expect(JSON.parse(body)).toEqual({ error: expect.stringMatching(/^the request|^the head|^this is no/) })
    }
  })

  it('who asks slowly is cut off, and who says nothing keeps nobody out', async () => {
    const slow = lobby.raw('GET /v1/ports HTTP/1.1', 'Host: localhost', 'Content-Length: 9', '', 'a')
    const head = lobby.connect()
    let told = ''
    head.on('data', (chunk) => {
      told += chunk
    })
    head.write('GET /v1/ports HTTP/1.1\r\nHost: loc')
    const silent = Array.from({ length: CONNECTIONS_MAX + 50 }, () => lobby.connect())
    await eventually('the last are refused', () => silent.filter(({ closed }) => closed).length >= 50)
    await eventually('the others are cut off', () => head.closed && silent.every(({ closed }) => closed))
    expect(told).toMatch(/^HTTP\/1.1 408 [\s\S]*default-src 'none'[\s\S]*"the request came too slowly/)
    await slow
    expect((await lobby.ask('/healthz')).status).toBe(200)
  })

  it('the page says what to do where it was not built, and is loaded once', async () => {
    for (const path of ['/', '/page.js', '/page.css']) {
      const { status, head, body } = await lobby.ask(path)
      if (status === 404) {
        expect(body).toContain('npm run build')
        continue
      }
      const tag = /\r\netag: ("[^"]+")/i.exec(
        await lobby.raw(`HEAD ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close'),
      )
      expect(head).toContain('cache-control: no-cache')
      const again = await lobby.ask(path, `If-None-Match: W/"other", ${tag?.[1]}`)
      expect(again).toMatchObject({ status: 304, body: '' })
      expect(again.head).toContain("default-src 'none'")
    }
  })

  it('nothing of it was a defect', () => expect(lobby.defects).toEqual([]))
})
