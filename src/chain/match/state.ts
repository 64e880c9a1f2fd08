/** -m state: what -m conntrack --ctstate asks, without the states of NAT. */
import { type MatchKind, STATIC, Wrong } from '../extension.ts'
import { STATE } from '../registers.ts'
import { parseStates, printStates, showState } from './conntrack.ts'
import { negation } from './ip.ts'

interface State {
  states: number
  not: boolean
}

export const state: MatchKind<State> = {
  name: 'state',
  options: { '--state': { words: 1, negatable: true } },
  begin: () => ({ states: 0, not: false }),
  take(data, _option, [word], not) {
    data.states = parseStates(word, false)
    data.not = not
  },
  end(data) {
    if (data.states === 0) throw new Wrong('lacks --state', 0)
  },
  print: (data) => [...negation(data.not), '--state', printStates(data.states)],
  code: (data) => ({ text: `(x[${STATE}]&${data.states})${data.not ? '===' : '!=='}0`, nature: STATIC }),
  shows: (_data, x) => showState(x),
}
