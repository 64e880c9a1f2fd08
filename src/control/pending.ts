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
  const refuse = (key: keyof NetworkInput, expected: string) =>
    result.push(pending([...path, key], input[key], expected))
  if (input.mode !== 'host-only' && input.mode !== 'internal') refuse('mode', 'host-only or internal')
  for (const key of ['dhcp', 'dns'] as const)
    if (input[key] !== undefined && input[key] !== 'off') refuse(key, 'off')
  if (input.uplink !== undefined && input.uplink !== 'none') refuse('uplink', 'none')
  for (const key of ['domain', 'nat', 'hostAccess'] as const)
    if (input[key] !== undefined) refuse(key, 'no such key')
  if (input.filterBridged) refuse('filterBridged', 'false')
  if (input.publish !== undefined && input.publish.length > 0) refuse('publish', 'an empty list')
  return [
    ...result,
    ...six([...path, 'subnet'], input.subnet, 'an IPv4 subnet'),
    ...six([...path, 'gateway'], input.gateway, 'an IPv4 address'),
    ...six([...path, 'host', 'address'], input.host?.address, 'an IPv4 address with its prefix'),
  ]
}

function port(path: Path, input: PortInput): Problem[] {
  const result: Problem[] = []
  if (
    input.type === 'nic' ||
    input.type === 'vhost-user' ||
    input.type === 'stream' ||
    input.type === 'dgram'
  )
    result.push(pending([...path, 'type'], input.type, 'tap, tun or qemu-tap'))
  if (input.address === 'dhcp')
    result.push(pending([...path, 'address'], input.address, 'an address with its prefix'))
  return [...result, ...six([...path, 'address'], input.address, 'an IPv4 address with its prefix')]
}

/** Everything in a well-formed input that asks for what does not exist yet. */
export function unavailable(
  input: Pick<FileInput, 'conntrack' | 'rules' | 'sets' | 'networks' | 'ports'>,
): Problem[] {
  const result: Problem[] = []
  for (const key of ['conntrack', 'rules', 'sets'] as const)
    if (input[key] !== undefined) result.push(pending([key], input[key], 'no such key'))
  for (const [name, each] of Object.entries(input.networks ?? {}))
    result.push(...network(['networks', name], each))
  for (const [name, each] of Object.entries(input.ports ?? {})) result.push(...port(['ports', name], each))
  return result
}
