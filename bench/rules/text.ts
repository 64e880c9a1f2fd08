/** Rulesets as iptables-save writes them. */
/** Ports of what is sent: no rule but the last is about them. */
export const ports = { first: 61_000, last: 65_000 }

/**
 * Where rules are about: parts of 10.78.0.0/16, which the receiver is in, or of 10.0.0.0/8. Of the first a quarter means the receiver's
 * address, and the port decides; of the second hardly one does: a list that is gone through in order is at its best there.
 */
const near = { start: 0x0a4e0000, bits: 16 }
const wide = { start: 0x0a000000, bits: 24 }
/** Four masks. */
const lengths = [24, 16, 28, 20]

/** The same numbers every time, other ones for another seed. */
function dice(seed: number): (end: number) => number {
  let state = seed
  return (end) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % end
  }
}

function whole(rules: string[]): string {
  const policies = ':INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n'
  return `*filter\n${policies}${rules.map((rule) => `${rule}\n`).join('')}COMMIT\n`
}

/** The network that holds an address. */
function around(address: number, bits: number): string {
  const network = address & (-1 << (32 - bits))
  return `${[24, 16, 8, 0].map((shift) => (network >>> shift) & 255).join('.')}/${bits}`
}

/** So many rules of prefix, protocol and port, none of which means what is sent; no rule at all is the policy alone. */
export function many(count: number, seed = 1, about: 'near' | 'wide' = 'near'): string {
  if (count === 0) return whole([])
  const below = dice(seed)
  const { start, bits } = about === 'near' ? near : wide
  const rules = Array.from({ length: count - 1 }, (_, n) => {
    const network = around(start + below(2 ** bits), lengths[n % lengths.length])
    return `-A FORWARD -d ${network} -p udp -m udp --dport ${1 + below(60_000)} -j DROP`
  })
  return whole([...rules, '-A FORWARD -j ACCEPT'])
}

/** What most people have; `accept` is what besides ping and one TCP port may pass. */
export function small(accept: string): string {
  return whole([
    '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A FORWARD -m conntrack --ctstate INVALID -j DROP',
    '-A FORWARD -p icmp -j ACCEPT',
    '-A FORWARD -p tcp -m tcp --dport 5201 -j ACCEPT',
    `-A FORWARD ${accept} -j ACCEPT`,
    '-A FORWARD -j DROP',
  ])
}
