/** -j REJECT: the packet ends here, and its sender is told. */
import { SLOW, type TargetKind, Wrong } from '../extension.ts'
import { TCP } from '../protocol.ts'
import { REJECT, REJECTED, RESET } from '../registers.ts'

interface Reject {
  /** position in TYPES */
  type: number
}

/** Destination unreachable, RFC 792 */
const UNREACHABLE = 3

/** Names with their older ones, and the code of the message; codes 9, 10 and 13 are RFC 1812's. */
const TYPES: [name: string, alias: string, code: number][] = [
  ['icmp-net-unreachable', 'net-unreach', 0],
  ['icmp-host-unreachable', 'host-unreach', 1],
  ['icmp-proto-unreachable', 'proto-unreach', 2],
  ['icmp-port-unreachable', 'port-unreach', 3],
  ['icmp-net-prohibited', 'net-prohib', 9],
  ['icmp-host-prohibited', 'host-prohib', 10],
  ['tcp-reset', 'tcp-rst', -1],
  ['icmp-admin-prohibited', 'admin-prohib', 13],
]
const PORT_UNREACHABLE = 3

export const reject: TargetKind<Reject> = {
  name: 'REJECT',
  tables: ['filter'],
  hooks: ['INPUT', 'FORWARD', 'OUTPUT'],
  protocols: ({ type }) => (TYPES[type][2] < 0 ? [TCP] : []),
  options: { '--reject-with': { words: 1 } },
  begin: () => ({ type: PORT_UNREACHABLE }),
  take(data, _option, [word]) {
    const begins = (name: string) => word !== '' && name.startsWith(word.toLowerCase())
    const type = TYPES.findIndex(([name, alias]) => begins(name) || begins(alias))
    if (type < 0) throw new Wrong(`is none of ${TYPES.map(([name]) => name).join(', ')}`)
    data.type = type
  },
  print: ({ type }) => ['--reject-with', TYPES[type][0]],
  code({ type }) {
    const code = TYPES[type][2]
    const answer = code < 0 ? RESET : (UNREACHABLE << 8) | code
    return { text: `x[${REJECT}]=${answer};return ${REJECTED}`, nature: SLOW, ends: true }
  },
}
