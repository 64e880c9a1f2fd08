/** Where matches and targets may stand: in each table and chain what iptables-legacy of this machine says of it is what we say. */
import { beforeAll, expect, it } from 'vitest'
import { check } from '../../src/chain/check.ts'
import { Misread, restore } from '../../src/chain/restore.ts'
import { BASES, TABLES } from '../../src/chain/rule.ts'
import { Legacy } from '../lab/legacy.ts'
import { suite } from '../lab/peer.ts'

const uses = [
  ...[
    '-j MARK --set-mark 1',
    '-j CONNMARK --save-mark',
    '-j CT --notrack',
    '-j NOTRACK',
    '-j TTL --ttl-dec 1',
  ],
  ...['-j TOS --set-tos 8', '-j DSCP --set-dscp 8', '-j SET --add-set addresses src'],
  ...['-p tcp -m tcp --syn -j TCPMSS --set-mss 1400', '-p tcp -m tcp --syn -j TCPMSS --clamp-mss-to-pmtu'],
  ...['-p tcp -m tcp ! --syn -j TCPMSS --set-mss 1400', '-p tcp -j TCPMSS --set-mss 1400'],
  ...['-j SNAT --to-source 1.2.3.4', '-j DNAT --to-destination 1.2.3.4', '-j MASQUERADE', '-j REDIRECT'],
  ...[
    '-j NETMAP --to 1.2.3.0/24',
    '-m rpfilter',
    '-m set --match-set addresses src',
    '-m pkttype --pkt-type host',
  ],
  ...['-m addrtype --dst-type LOCAL --limit-iface-in', '-m addrtype --dst-type LOCAL --limit-iface-out'],
  ...['-m physdev --physdev-out b', '-m physdev --physdev-is-out', '-m physdev --physdev-in a'],
  ...['-m physdev --physdev-out b --physdev-is-bridged', '-m physdev ! --physdev-is-bridged --physdev-out b'],
]

/** The kernel can translate the source of what is for itself; the gateway has no such services. */
const without = ['nat INPUT -j SNAT --to-source 1.2.3.4', 'nat INPUT -j NETMAP --to 1.2.3.0/24']

/** '' if the rules are taken, else what is said. */
function ours(table: string, lines: string[]): string {
  try {
    check(restore([`*${table}`, ...lines, 'COMMIT', ''].join('\n')), (name) =>
      name === 'addresses' ? 'hash:ip' : null,
    )
    return ''
  } catch (error) {
    if (!(error instanceof Misread)) throw error
    return error.message
  }
}

suite('places in tables and chains', ['iptables-legacy-restore', 'ipset'], () => {
  let legacy: Legacy
  beforeAll(() => {
    legacy = new Legacy()
    legacy.run('ipset', 'create', 'addresses', 'hash:ip')
  })

  it.each(uses)('%s', (use) => {
    const differing: string[] = []
    for (const table of TABLES) {
      for (const chain of BASES[table]) {
        const lines = [`-A ${chain} ${use}`]
        const [said, theirs] = [ours(table, lines), legacy.restore(table, lines)]
        if (without.includes(`${table} ${chain} ${use}`)) expect(said).toMatch('not available in INPUT')
        else if ((said === '') !== (theirs === '')) differing.push(`${table} ${chain}: ${said} | ${theirs}`)
      }
    }
    expect(differing).toEqual([])
  })

  it('counts where a chain is reached from, not where it stands', () => {
    const chains = (from: string) => [
      ':LOW - [0:0]',
      ':LOWER - [0:0]',
      `-A ${from} -j LOW`,
      '-A LOW -j LOWER',
    ]
    const rules = (from: string) => [...chains(from), '-A LOWER -m rpfilter -j DROP']
    for (const from of ['PREROUTING', 'FORWARD']) {
      expect(ours('mangle', rules(from)) === '').toBe(legacy.restore('mangle', rules(from)) === '')
    }
    expect(ours('mangle', [':LOW - [0:0]', '-A LOW -m rpfilter'])).toBe('')
    expect(legacy.restore('mangle', [':LOW - [0:0]', '-A LOW -m rpfilter'])).toBe('')
  })
})
