/**
 * From a rule's parts to statements. What may be asked in any order is: conditions on the flow come first, then those on this packet, up
 * to the first that remembers; from there on the rule's order stands. Two marks keep the straight loop honest: VOLATILE is set before a
 * packet's own answer counts, and SLOW is returned before anything is changed.
 */
import { type Action, type Condition, PURE, SLOW, STATIC } from './extension.ts'
import * as x from './registers.ts'

/** Ends a chain, as RETURN does; no verdict, so whoever called goes on. */
export const RETURNED = -1

/**
 * Entries of the log: those that it may have when a function begins, and what functions log before they look again. That is 24 rules of each
 * function on the way down: chains nested 200 deep, and five functions from a long chain's first to its last.
 */
export const LOG_ROOM = x.LOG_LENGTH + 24 * 200 * 6

const SET_VOLATILE = `x[${x.VOLATILE}]=1;`
const IF_FAST = `if(x[${x.FAST}])return ${x.SLOW};`

/** First statement of a function, and of a rule in a loop. */
export const PROLOGUE = `if(x[${x.MET}]>${x.LOG_LENGTH}&&count())return ${x.SLOW};`

/** What a condition is to the one who asks it. */
export type Asked = Pick<Condition, 'text' | 'nature' | 'drops'>

/** Stands for a rule's number in its statements. */
export const NUMBER = '@'

/** Statements of a rule; `before` stands before what counts it. */
export function ruleCode(asked: readonly Asked[], action: Action, before = ''): string {
  const conditions = asked.filter(({ text }) => text !== 'true')
  const slow = conditions.findIndex(({ nature }) => nature === SLOW)
  const free = slow < 0 ? conditions : conditions.slice(0, slow)
  const bound = slow < 0 ? [] : conditions.slice(slow)
  const guarded = bound.length > 0 || action.nature === SLOW
  const volatile = action.nature === PURE ? SET_VOLATILE : ''
  const counted = `${before}L[x[${x.MET}]++]=${NUMBER};${action.text}`
  let inner = `${volatile}${when(
    bound.map((each) => each.text),
    counted,
  )}`
  if (guarded) inner = `${IF_FAST}x[${x.RULE}]=${NUMBER};${inner}`
  const drops = asked.some((each) => each.drops) ? `if(x[${x.HOTDROP}])return ${x.DROP};` : ''
  return nest(free, inner) + drops
}

/** What costs least is asked first, but nothing before a condition that may drop the packet and stands before it. */
function nest(free: readonly Asked[], then: string): string {
  const drop = free.findIndex((each) => each.drops)
  if (drop >= 0 && drop < free.length - 1)
    return nest(free.slice(0, drop + 1), nest(free.slice(drop + 1), then))
  const text = (nature: number) => free.filter((each) => each.nature === nature).map((each) => each.text)
  const pure = text(PURE)
  return when(text(STATIC), pure.length > 0 ? `${SET_VOLATILE}${when(pure, then)}` : then)
}

function when(conditions: string[], then: string): string {
  if (conditions.length === 0) return then
  return `if(${conditions.map(whole).join('&&')}){${then}}`
}

/** In parentheses if a weaker operator might stand in it. */
function whole(text: string): string {
  return /[|?,]|[^=!<>]=[^=>]/.test(text) ? `(${text})` : text
}

export function verdict(number: number): Action {
  return { text: `return ${number};`, nature: STATIC, ends: true }
}

/** Goes on in a chain whose function is `callee` (an expression), null if it is empty. */
export function jump(callee: string | null, goto: boolean): Action {
  if (callee === null) return goto ? verdict(RETURNED) : { text: '', nature: STATIC, ends: false }
  const after = goto ? `return r>0?r:${RETURNED}` : 'if(r>0)return r'
  return { text: `{const r=C[${callee}]();${after}}`, nature: STATIC, ends: goto }
}
