/** -j SNAT: whose name a flow's packets bear. */
import { type TargetKind, Wrong } from '../extension.ts'
import { NAT_SOURCE } from '../registers.ts'
import * as translation from '../translation.ts'

export const snat: TargetKind<translation.Translation> = {
  name: 'SNAT',
  tables: ['nat'],
  hooks: ['INPUT', 'POSTROUTING'],
  protocols: translation.protocols,
  options: {
    '--to-source': { words: 1 },
    '--random': { words: 0 },
    '--random-fully': { words: 0 },
    '--persistent': { words: 0 },
  },
  begin: translation.nothing,
  take(data, option, [word]) {
    if (translation.flag(data, option)) return
    if (data.addresses || data.ports)
      throw new Wrong('stands beside another --to-source: one is all there may be', 0)
    translation.parse(data, word)
    if (data.base !== 0) throw new Wrong('shifts ports, which only DNAT does')
  },
  end({ addresses, ports }) {
    if (!addresses && !ports) throw new Wrong('needs --to-source', 0)
  },
  fits: (_data, { hooks }) => translation.notInput(hooks, 'SNAT'),
  print: (data) => translation.print(data, '--to-source'),
  code: (data) => translation.code(data, NAT_SOURCE),
}
