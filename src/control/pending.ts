/** Keys whose feature does not exist yet: their form is checked like any other, then they are refused, never ignored. */
import { isSix } from './address.ts'
import { type Problem, shown } from './problem.ts'
import type { FileInput, NetworkInput, PortInput } from './schema.ts'

type Path = readonly PropertyKey[]

function pending(path: Path, value: unknown, expected: string): Problem {
  return { path, text: `found ${shown(value)}, which is not available yet; expected ${expected} for now` }
}

/** An IPv6 address where an IPv4 one may stand. */
function six(path: Path, value: string | undefined, expected: string): Problem[] {
  return value !== undefined && isSix(value) ? [pending(path, value, expected)] : []
}

function network(path: Path, input: NetworkInput): Problem[] {
  const result: Problem[] = []
  const four = (keys: Path, value: string | undefined) =>
    result.push(...six([...path, ...keys], value, 'an IPv4 address'))
  four(['subnet'], input.subnet)
  four(['gateway'], input.gateway)
  four(['host', 'address'], input.host?.address)
  const { uplink, dhcp, dns } = input
  if (typeof uplink === 'object' && 'host' in uplink) four(['uplink', 'host', 'link'], uplink.host.link)
  if (typeof uplink === 'object' && 'nic' in uplink) {
    four(['uplink', 'address'], uplink.address)
    four(['uplink', 'gateway'], uplink.gateway)
  }
  if (typeof dhcp === 'object')
    for (const [mac, ip] of Object.entries(dhcp.static ?? {})) four(['dhcp', 'static', mac], ip)
  if (typeof dns === 'object')
    for (const [name, ip] of Object.entries(dns.names ?? {})) four(['dns', 'names', name], ip)
  return result
}

function port(path: Path, input: PortInput): Problem[] {
  return six([...path, 'address'], input.address, 'an IPv4 address with its prefix')
}

/** Everything in a well-formed input that asks for what does not exist yet. */
export function unavailable(input: Pick<FileInput, 'networks' | 'ports'>): Problem[] {
  const result: Problem[] = []
  for (const [name, each] of Object.entries(input.networks ?? {}))
    result.push(...network(['networks', name], each))
  for (const [name, each] of Object.entries(input.ports ?? {})) result.push(...port(['ports', name], each))
  return result
}
