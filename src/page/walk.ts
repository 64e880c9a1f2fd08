/** A packet's walk through the switch, told as a list: what it met, what matched, and where it ended. */
import type { RuleStep, StageRow, WhyRow } from '../control/why.ts'
import { element } from './dom.ts'

/** A longer run of rules that do not match is folded. */
const RUN_MAX = 4

function step({ chain, rule, line, text, matched, why, depth, depends }: RuleStep): HTMLElement {
  const place = line > 0 ? `line ${line}` : `${chain} ${rule}`
  const told =
    why === '' || text.startsWith('policy ') ? null : element('small', {}, matched ? why : `no: ${why}`)
  const notes = depends.map((each) => element('small', {}, `depends on ${each}: taken to match`))
  const attributes = {
    class: 'step',
    'data-matched': matched ? 'yes' : 'no',
    'data-depth': Math.min(depth, 4),
  }
  return element(
    'li',
    attributes,
    element('span', { class: 'place' }, place),
    element('code', {}, text),
    told,
    ...notes,
  )
}

function steps(rules: readonly RuleStep[]): HTMLElement[] {
  const list: HTMLElement[] = []
  for (let at = 0; at < rules.length; ) {
    const next = rules.findIndex(({ matched }, n) => n >= at && matched)
    const end = next < 0 ? rules.length : next
    const passed = rules.slice(at, end).map(step)
    if (passed.length <= RUN_MAX) list.push(...passed)
    else {
      const summary = element('summary', {}, `${passed.length} rules that do not match`)
      list.push(element('li', {}, element('details', {}, summary, element('ol', {}, ...passed))))
    }
    if (next >= 0) list.push(step(rules[next]))
    at = end + 1
  }
  return list
}

function stage({ title, says, rules }: StageRow): HTMLElement {
  const head = element('p', {}, element('b', {}, title), says === '' ? null : ` ${says}`)
  return element(
    'li',
    { class: 'stage' },
    head,
    rules.length === 0 ? null : element('ol', {}, ...steps(rules)),
  )
}

const VERDICTS = { passes: 'Passes', dropped: 'Dropped', rejected: 'Rejected' }

export function walk(row: WhyRow): HTMLElement {
  const { flow, network, port, state, connection, stages, depends } = row
  const by =
    port === null ? `network ${network}, by a port that is not known` : `port ${port} of network ${network}`
  const known =
    connection === null ? '' : `, of a connection that is known (${connection.state ?? connection.protocol})`
  const reason = row.reason === null ? null : element('code', {}, row.reason)
  const verdict = element(
    'div',
    { class: 'verdict', 'data-verdict': row.verdict, role: 'status' },
    element('p', {}, element('b', {}, VERDICTS[row.verdict]), ' ', reason),
    element('p', {}, row.text),
    depends.length === 0 ? null : element('p', {}, `depends on: ${depends.join('; ')}`),
  )
  const enters = element(
    'p',
    { class: 'enters' },
    element('code', {}, flow),
    ` comes in by ${by}; ${state}${known}`,
  )
  return element(
    'article',
    { class: 'walk' },
    verdict,
    enters,
    element('ol', { class: 'stages' }, ...stages.map(stage)),
  )
}
