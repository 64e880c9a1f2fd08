/** -j REDIRECT: DNAT to the gateway itself, at the link that the flow came by. */
import type { TargetKind } from '../extension.ts'
import { NAT_DESTINATION, NAT_LINK } from '../registers.ts'
import * as translation from '../translation.ts'

export const redirect: TargetKind<translation.Translation> = {
  name: 'REDIRECT',
  tables: ['nat'],
  hooks: ['PREROUTING', 'OUTPUT'],
  protocols: translation.protocols,
  options: {
    '--to-ports': { words: 1 },
    '--random': { words: 0 },
  },
  begin: translation.nothing,
  take(data, option, [word]) {
    if (translation.flag(data, option)) return
    translation.parseOwnPorts(data, word)
  },
  print: (data) => translation.print(data, '--to-ports'),
  code: (data) => translation.code(data, NAT_DESTINATION | NAT_LINK),
}
