/** What a file earns: the helper of the tables of bad input. */
import { parse } from '../../src/control/file.ts'
import type { Refusal } from '../../src/control/refusal.ts'

/** The lines of the refusal of a configuration file; none when it is accepted. */
export function refusal(text: string): readonly string[] {
  try {
    parse(text, 'f.yaml')
  } catch (error) {
    return (error as Refusal).lines
  }
  return []
}

export const lan = 'lan: { mode: host-only, subnet: 10.7.0.0/24 }'

/** A file with one port in the network `lan`. */
export function inLan(port: string, name = 'a'): string {
  return `networks: { ${lan} }\nports: { ${name}: { network: lan, ${port} } }`
}

/** A file with one host-only network `n`. */
export function network(keys: string): string {
  return `networks: { n: { mode: host-only, subnet: 10.7.0.0/24, ${keys} } }`
}

/** A file with one nat network `n`. */
export function nat(keys: string): string {
  return `networks: { n: { mode: nat, subnet: 10.7.0.0/24, ${keys} } }`
}
