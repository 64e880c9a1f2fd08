/**
 * What comes over TCP may come from anybody on the machine, and from any page that a browser on it shows. Such a page can send requests here but
 * must learn nothing: it names itself in Origin and Sec-Fetch-Site (Fetch Metadata), and one that resolves its own name to us (DNS
 * rebinding) sends that name as Host.
 */
import type { IncomingMessage } from 'node:http'
import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** What a browser is told with every answer: what the page may load, and that nobody may frame, read or sniff anything. */
export const STRICT: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    ...["script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'"],
    ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cache-control': 'no-store',
}

/** A stranger has so long to ask, in milliseconds, and so much may lie here unread, in bytes. */
export const ASK_MS = 10_000
const UNREAD_MAX = 64 * 2 ** 20
export const CONNECTIONS_MAX = 256

/** A configured host or an address, which no name service can rebind. */
export function isOwnHost(header: string | undefined, configured: string): boolean {
  const host = (header ?? '')
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
  return host === 'localhost' || host === configured.toLowerCase() || isIP(host) !== 0
}

/** Why a request over TCP is refused, or null; `path` is the route's that it matched. */
export function objection(request: IncomingMessage, path: string, configured: string): string | null {
  const { host, origin, upgrade, ...headers } = request.headers
  if (!isOwnHost(host, configured)) return `${host ?? 'no host'} is not this switch; use its address`
  if (!request.url?.startsWith('/')) return `${request.url} is not this switch's; ask for a path`
  if (origin !== undefined && origin.toLowerCase() !== `http://${host}`.toLowerCase())
    return `a page of ${origin} may not ask; open this switch's own page`
  const site = headers['sec-fetch-site']
  const isVisit = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  if ((site === 'cross-site' || site === 'same-site') && !(isVisit && path === '/'))
    return `a page of another site may not ask; open this switch's own page`
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return 'this address is read-only; use the unix socket'
  return upgrade === undefined ? null : `${upgrade} is not spoken here; ask without an upgrade`
}

/** What is said to who sends no request that can be read, by the parser's code. */
const UNREADABLE: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'the head of the request is too long; ask with less',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request came too slowly; send it at once'],
}
const NO_REQUEST = ['400 Bad Request', 'this is no request of HTTP/1.1; ask as a browser does'] as const

/** Answers what was no request, and ends its connection; one that was answered before is only ended. */
export function dismiss(error: NodeJS.ErrnoException, stream: Duplex): void {
  const socket = stream as Socket
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const [status, why] = UNREADABLE[error.code ?? ''] ?? NO_REQUEST
  const body = JSON.stringify({ error: why })
  const headers = {
    ...STRICT,
    'content-type': 'application/json',
    'content-length': body.length,
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`)
  socket.destroySoon()
}

/** Ends connections of those who ask and do not read until what lies here for all is bounded; who left most goes first. */
export function relieve(sockets: Iterable<Socket>): void {
  const slow = [...sockets].filter(({ writableLength }) => writableLength > 0)
  let unread = slow.reduce((sum, { writableLength }) => sum + writableLength, 0)
  slow.sort((a, b) => b.writableLength - a.writableLength)
  for (const socket of slow) {
    if (unread <= UNREAD_MAX) return
    unread -= socket.writableLength
    socket.destroy()
  }
}
