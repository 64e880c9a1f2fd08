/** -j CT: what conntrack, that stands behind the raw table, makes of the packet. */
import { type Action, STATIC, type TargetKind, Wrong } from '../extension.ts'
import { integer } from '../number.ts'
import { NOTRACK, SPOKEN, STATE, STATE_UNTRACKED, ZONE } from '../registers.ts'

interface Ct {
  notrack: boolean
  zone: number
}

/** A zone is a byte beside the protocol in a flow's key; the kernel's has 16 bits. */
const ZONE_MAX = 255

const absent = ['--helper', '--timeout', '--ctevents', '--expevents', '--zone-orig', '--zone-reply']

export const ct: TargetKind<Ct> = {
  name: 'CT',
  tables: ['raw'],
  options: {
    '--notrack': { words: 0 },
    '--zone': { words: 1 },
    ...Object.fromEntries(absent.map((name) => [name, { words: 1 }])),
  },
  begin: () => ({ notrack: false, zone: 0 }),
  take(data, option, [word]) {
    if (option === '--notrack') data.notrack = true
    else if (option !== '--zone') throw new Wrong('is not available', 0)
    else if (word.toLowerCase() === 'mark') throw new Wrong('is not available: name the zone by its number')
    else data.zone = integer(word, 0, ZONE_MAX)
  },
  print({ notrack, zone }) {
    return [...(notrack ? ['--notrack'] : []), ...(zone === 0 ? [] : ['--zone', `${zone}`])]
  },
  code: ({ notrack, zone }) => decide(notrack ? UNTRACK : `x[${ZONE}]=${zone};`),
}

/** Rules of the raw table behind it know at once that the packet is not tracked. */
export const UNTRACK = `x[${NOTRACK}]=1;x[${STATE}]=${STATE_UNTRACKED};`

/** The first rule that speaks decides, also if it says nothing; without tracking there is no zone. */
export function decide(text: string): Action {
  return { text: `if(x[${SPOKEN}]===0){x[${SPOKEN}]=1;${text}}`, nature: STATIC, ends: false }
}
