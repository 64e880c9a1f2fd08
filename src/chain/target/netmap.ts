/** -j NETMAP: one network's addresses become another's, host by host: the destination's before routing, the source's behind it. */
import { type Net, parseNet, printAddress, printMask } from '../address.ts'
import { SLOW, type TargetKind, Wrong } from '../extension.ts'
import * as r from '../registers.ts'
import { POSTROUTING } from '../rule.ts'
import { notInput } from '../translation.ts'

interface Netmap {
  to: Net | null
}

export const netmap: TargetKind<Netmap> = {
  name: 'NETMAP',
  tables: ['nat'],
  hooks: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  options: { '--to': { words: 1 } },
  begin: () => ({ to: null }),
  take(data, _option, [word]) {
    data.to = parseNet(word)
  },
  end({ to }) {
    if (!to) throw new Wrong('needs --to', 0)
  },
  fits: (_data, { hooks }) => notInput(hooks, 'NETMAP'),
  print: ({ to }) => (to ? ['--to', printAddress(to.address) + printMask(to.mask)] : []),
  code({ to }) {
    const end = `x[${r.HOOK}]===${POSTROUTING}?${r.NAT_MAP | r.NAT_SOURCE}:${r.NAT_MAP | r.NAT_DESTINATION}`
    const { address, mask } = to ?? { address: 0, mask: 0 }
    const text = `x[${r.NAT_MIN}]=${address};x[${r.NAT_MAX}]=${mask};x[${r.NAT_FLAGS}]=${end};return ${r.TRANSLATE}`
    return { text, nature: SLOW, ends: true }
  },
}
