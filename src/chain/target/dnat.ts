/** -j DNAT: whom a flow's packets are for. */
import { type TargetKind, Wrong } from '../extension.ts'
import { NAT_DESTINATION } from '../registers.ts'
import * as translation from '../translation.ts'

export const dnat: TargetKind<translation.Translation> = {
  name: 'DNAT',
  tables: ['nat'],
  hooks: ['PREROUTING', 'OUTPUT'],
  protocols: translation.protocols,
  options: {
    '--to-destination': { words: 1 },
    '--random': { words: 0 },
    '--persistent': { words: 0 },
  },
  begin: translation.nothing,
  take(data, option, [word]) {
    if (translation.flag(data, option)) return
    if (data.addresses || data.ports) {
      throw new Wrong('stands beside another --to-destination: one is all there may be', 0)
    }
    translation.parse(data, word)
  },
  end({ addresses, ports }) {
    if (!addresses && !ports) throw new Wrong('needs --to-destination', 0)
  },
  print: (data) => translation.print(data, '--to-destination'),
  code: (data) => translation.code(data, NAT_DESTINATION),
}
