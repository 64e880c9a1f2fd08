/** -m connmark: the mark of the packet's connection. Without a connection nothing matches, with `!` neither. */
import { MARK as FLOW_MARK, WORDS } from '../../table/flow.ts'
import { type MatchKind, PURE } from '../extension.ts'
import { hex } from '../number.ts'
import { FLOW } from '../registers.ts'
import { isTracked, TRACKED } from './conntrack.ts'
import { type Marked, marked, masked } from './mark.ts'

export const connmark: MatchKind<Marked> = {
  name: 'connmark',
  ...marked,
  code: (data) => ({
    text: `${TRACKED}&&${masked(data, `w[x[${FLOW}]*${WORDS}+${FLOW_MARK}]`)}`,
    nature: PURE,
  }),
  shows: (_data, x, _view, words) =>
    isTracked(x) ? `mark of the connection ${hex(words[x[FLOW] * WORDS + FLOW_MARK])}` : 'no connection',
}
