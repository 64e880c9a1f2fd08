/** Why the socket of a port could not be made, in words: what the kernel said is about a file, its folder or its owner. */
import { dirname } from 'node:path'
import type { Failure } from '../port/device.ts'
import type { Spec } from './member.ts'
import { Refusal } from './refusal.ts'

const ELSEWHERE = 'choose another path'

/** What happened, and what to do. */
function words({ path, owner }: Spec, { code, syscall, message }: Failure): [string, string] {
  const folder = dirname(path)
  if (syscall.startsWith('getpw')) return [`there is no user ${owner}`, 'name an existing user as owner']
  if (syscall === 'chown' && (code === 'EPERM' || code === 'EINVAL'))
    return [
      `this process may not give ${path} to ${owner}`,
      'leave out owner, or start the switch as root (sudo bridgeport up)',
    ]
  switch (code) {
    case 'ENOENT':
      return [`there is no folder ${folder}`, `create it first (mkdir -p ${folder})`]
    case 'ENOTDIR':
      return [`${folder} is no folder`, ELSEWHERE]
    case 'EEXIST':
      return [`${path} is there and is no socket`, `remove it or ${ELSEWHERE}`]
    case 'EADDRINUSE':
      return [`a process listens at ${path} already`, `end it or ${ELSEWHERE}`]
    case 'EACCES':
    case 'EPERM':
      return syscall === 'connect'
        ? [`${path} is another user's socket`, `remove it or ${ELSEWHERE}`]
        : [
            `this process may not write into ${folder}`,
            `choose a path in a folder of its own, or start the switch as root`,
          ]
    case 'EROFS':
      return [`${folder} is read-only`, ELSEWHERE]
    default:
      return [message, ELSEWHERE]
  }
}

export function explain(spec: Spec, error: Failure): Refusal {
  const [why, remedy] = words(spec, error)
  return new Refusal(`port ${spec.name}`, why, remedy)
}
