/** Sockets of ports in the file system: each file is one port's, and none is the switch's own. */
import { posix } from 'node:path'
import { Claims, named, type Report } from './claim.ts'
import type { Configuration, PortConfiguration } from './configuration.ts'
import { shown } from './problem.ts'
import { SocketPath } from './schema.ts'

/** One name for a path that may be written in several ways; links are not followed. */
function plain(path: string): string {
  return posix.normalize(path).replace(/^\/var\/run\//, '/run/')
}

/** Tells of paths that are too long, that two ports have, or that are the switch's own. */
export function check(all: Configuration, report: Report): void {
  const claims = new Claims()
  claims.take(plain(all.socket), "the switch's own socket")
  for (const each of all.ports.values())
    for (const key of ['path', 'peer'] as const) if (each[key] !== '') take(each, key, claims, report)
}

function take(port: PortConfiguration, key: 'path' | 'peer', claims: Claims, report: Report): void {
  const path = port[key]
  const at = ['ports', port.name, key]
  if (!SocketPath.safeParse(path).success) {
    report(at, `found nothing, expected an absolute path of at most 107 bytes: ${path} would be longer`)
    return
  }
  const what = key === 'peer' ? 'the peer' : 'the path'
  const other = claims.take(plain(path), `${what} of ${named('ports', port)}`)
  if (other !== null) report(at, `found ${shown(path)}, expected another path than ${other}`)
}
