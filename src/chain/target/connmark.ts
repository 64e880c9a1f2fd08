/** -j CONNMARK: the mark of the packet's flow; of a packet that has no flow nothing changes. */

import { MARK as MARK_WORD, WORDS } from '../../table/flow.ts'
import { PURE, type TargetKind, Wrong } from '../extension.ts'
import { type Change, change, changed, options, twice } from '../marking.ts'
import { hex, integer } from '../number.ts'
import { FAST, FLOW, MARK, SLOW, STATE, STATE_INVALID, STATE_UNTRACKED } from '../registers.ts'

interface Connmark {
  what: 'set' | 'save' | 'restore' | ''
  change: Change
  /** of the packet's and of the flow's mark, null: all bits */
  nfmask: number | null
  ctmask: number | null
}

const ALL = 0xffffffff

export const connmark: TargetKind<Connmark> = {
  name: 'CONNMARK',
  options: {
    ...options,
    '--save-mark': { words: 0 },
    '--restore-mark': { words: 0 },
    '--nfmask': { words: 1 },
    '--ctmask': { words: 1 },
    '--mask': { words: 1 },
    '--left-shift-mark': { words: 1 },
    '--right-shift-mark': { words: 1 },
  },
  begin: () => ({ what: '', change: { value: 0, mask: 0 }, nfmask: null, ctmask: null }),
  take(data, option, [word]) {
    if (option.endsWith('mask')) return mask(data, option, word)
    if (option.includes('shift')) throw new Wrong('is not available', 0)
    if (data.what !== '') throw twice()
    const said = change(option, word)
    if (said) Object.assign(data, { what: 'set', change: said })
    else data.what = option === '--save-mark' ? 'save' : 'restore'
  },
  end({ what, nfmask, ctmask }) {
    if (what === '')
      throw new Wrong(`needs one of ${Object.keys(options).join(', ')}, --save-mark, --restore-mark`, 0)
    if (what === 'set' && (nfmask !== null || ctmask !== null)) {
      throw new Wrong('has a mask that only --save-mark and --restore-mark have a use for', 0)
    }
  },
  print({ what, change, nfmask, ctmask }) {
    if (what === 'set') return ['--set-xmark', `${hex(change.value)}/${hex(change.mask)}`]
    return [`--${what}-mark`, '--nfmask', hex(nfmask ?? ALL), '--ctmask', hex(ctmask ?? ALL)]
  },
  code({ what, change, nfmask, ctmask }) {
    const flow = `w[f]`
    const packet = `x[${MARK}]`
    const kept = { nfmask: (nfmask ?? ALL) | 0, ctmask: (ctmask ?? ALL) | 0 }
    let text = ''
    if (what === 'restore') text = `${packet}=(${packet}&${~kept.nfmask})^(${flow}&${kept.ctmask});`
    else {
      const save = `(${flow}&${~kept.ctmask})^(${packet}&${kept.nfmask})`
      const becomes = what === 'set' ? changed(flow, change) : save
      // What the flow bears already is no change, so established flows need no slow path for it.
      text = `const m=${becomes};if(${flow}!==m){if(x[${FAST}])return ${SLOW};${flow}=m}`
    }
    const place = `const f=x[${FLOW}]*${WORDS}+${MARK_WORD};`
    const hasFlow = `(x[${STATE}]&${STATE_INVALID | STATE_UNTRACKED})===0`
    return { text: `if(${hasFlow}){${place}${text}}`, nature: PURE, ends: false }
  },
}

function mask(data: Connmark, option: string, word: string): void {
  const bits = integer(word, 0, ALL)
  const isSaid =
    option === '--nfmask' ? data.nfmask !== null : option === '--ctmask' ? data.ctmask !== null : false
  if (isSaid || (option === '--mask' && (data.nfmask !== null || data.ctmask !== null))) {
    throw new Wrong('stands beside another mask', 0)
  }
  if (option !== '--ctmask') data.nfmask = bits
  if (option !== '--nfmask') data.ctmask = bits
}
