/**
 * Names in rules and what bears them: a port, a network (its gateway), or the hidden network `<network>-uplink`. Code of rules knows
 * numbers of names; which port and which network has which number is made anew for every program.
 */
import type { Numbering } from '../chain/compile.ts'
import type { Names } from '../chain/plan.ts'
import type { Configuration } from './configuration.ts'
import { sites, uplinkName } from './wiring.ts'

export type Bearer = 'port' | 'network'

/** Everything that a rule may name, as a configuration has it. */
export function bearers({ networks, ports }: Configuration): Map<string, Bearer> {
  const result = new Map<string, Bearer>()
  for (const network of networks.values()) {
    for (const { name } of sites(network)) result.set(name, 'network')
    if (network.mode === 'bridged' && network.uplink.kind === 'nic')
      result.set(uplinkName(network.name), 'port')
    if (network.host !== null) result.set(network.host.ifname, 'port')
  }
  for (const name of ports.keys()) result.set(name, 'port')
  return result
}

/** Something with a name and a number by which the workers know it. */
interface Indexed {
  name: string
  index: number
}

/** Numbers for what is there now. A name that rules say has its position and 1; what only wildcards mean comes behind. */
export function numbers(
  { names, wildcards }: Pick<Numbering, 'names' | 'wildcards'>,
  networks: readonly Indexed[],
  ports: readonly Indexed[],
): Names {
  const all = new Map(names.map((name, position) => [name, position + 1]))
  const numberOf = (name: string): number => {
    const known = all.get(name)
    if (known !== undefined) return known
    if (!wildcards.some((prefix) => name.startsWith(prefix))) return 0
    all.set(name, all.size + 1)
    return all.size
  }
  const place = (each: readonly Indexed[]): Int32Array => {
    const result = new Int32Array(each.reduce((most, { index }) => Math.max(most, index + 1), 0))
    for (const { name, index } of each) result[index] = numberOf(name)
    return result
  }
  const numbered = { networks: place(networks), ports: place(ports) }
  const count = all.size + 1
  const wild = new Uint8Array(wildcards.length * count)
  wildcards.forEach((prefix, wildcard) => {
    for (const [name, number] of all) if (name.startsWith(prefix)) wild[wildcard * count + number] = 1
  })
  return { ...numbered, wild, count }
}
