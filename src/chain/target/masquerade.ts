/** -j MASQUERADE: SNAT to the address of the link that the flow leaves by. */
import type { TargetKind } from '../extension.ts'
import { ACCEPT, NAT_LINK, NAT_SOURCE, SOURCE } from '../registers.ts'
import * as translation from '../translation.ts'

export const masquerade: TargetKind<translation.Translation> = {
  name: 'MASQUERADE',
  tables: ['nat'],
  hooks: ['POSTROUTING'],
  protocols: translation.protocols,
  options: {
    '--to-ports': { words: 1 },
    '--random': { words: 0 },
    '--random-fully': { words: 0 },
  },
  begin: translation.nothing,
  take(data, option, [word]) {
    if (translation.flag(data, option)) return
    translation.parseOwnPorts(data, word)
  },
  print: (data) => translation.print(data, '--to-ports'),
  code(data) {
    const action = translation.code(data, NAT_SOURCE | NAT_LINK)
    // What has no address yet stays as it is, as with the kernel.
    return { ...action, text: `if(x[${SOURCE}]===0)return ${ACCEPT};${action.text}` }
  },
}
