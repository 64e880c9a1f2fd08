/** `bridgeport why`: what would happen to a packet, hook by hook. */
import type { Command } from 'commander'
import type { RuleStep, StageRow, WhyRow } from '../control/why.ts'
import { call, socketOf } from './client.ts'
import { withSocket } from './option.ts'

/** Of a longer run of rules that do not match only the ends are shown. */
const RUN_MAX = 8
const ENDS = 2

interface Options {
  port?: string
  all?: boolean
  json?: boolean
}

function line(step: RuleStep): string {
  const place = step.line > 0 ? `line ${step.line}` : `${step.chain} ${step.rule}`
  const sign = step.matched ? '*' : '-'
  const why =
    step.why === '' || step.text.startsWith('policy ')
      ? ''
      : `\n${' '.repeat(20 + 2 * step.depth)}${step.matched ? '=> ' : 'no: '}${step.why}`
  const depends = step.depends.map(
    (each) => `\n${' '.repeat(20 + 2 * step.depth)}depends on ${each}: taken to match`,
  )
  return `  ${sign} ${place.padEnd(14)}${'  '.repeat(step.depth)}${step.text}${depends.join('')}${why}\n`
}

/** The rules of a chain; long runs that do not match are cut short unless all are wanted. */
function steps(rules: readonly RuleStep[], all: boolean): string {
  let text = ''
  for (let at = 0; at < rules.length; ) {
    let end = at
    while (end < rules.length && !rules[end].matched) end++
    const passed = rules.slice(at, end)
    if (all || passed.length <= RUN_MAX) text += passed.map(line).join('')
    else {
      const between = `    … ${passed.length - 2 * ENDS} more that do not match (--all shows them)\n`
      text += passed.slice(0, ENDS).map(line).join('') + between + passed.slice(-ENDS).map(line).join('')
    }
    if (end < rules.length) text += line(rules[end])
    at = end + 1
  }
  return text
}

function stage({ title, says, rules }: StageRow, all: boolean): string {
  return `${title}${says === '' ? '' : `: ${says}`}\n${steps(rules, all)}`
}

/** The whole answer as people read it. */
export function told(row: WhyRow, all = false): string {
  const { flow, network, port, stages, depends, verdict, reason, text, connection } = row
  const by =
    port === null ? `network ${network}, by a port that is not known` : `port ${port} of network ${network}`
  const known = connection === null ? '' : ` (a connection since: ${connection.state ?? connection.protocol})`
  const depending = depends.length === 0 ? '' : `depends on: ${depends.join('; ')}\n`
  const cause = reason === null ? '' : ` [${reason}]`
  return `${flow}\ncomes in by ${by}${known}\n${stages.map((each) => stage(each, all)).join('')}${depending}${verdict}${cause}: ${text}\n`
}

export function why(program: Command): void {
  withSocket(
    program.command('why').description('what would happen to a packet, hook by hook; nothing is sent'),
  )
    .argument('<flow>', "'tcp A:PORT > B:PORT', 'udp A:PORT > B:PORT', 'icmp A > B', 'PROTOCOL A > B'")
    .option('--port <name>', 'port or network that it comes in by')
    .option('--all', 'every rule that does not match, too')
    .option('--json', 'an object')
    .action(async (flow: string, options: Options, command: Command) => {
      const body = { flow, ...(options.port === undefined ? {} : { port: options.port }) }
      const row = await call<WhyRow>(socketOf(command.optsWithGlobals()), 'POST', '/v1/why', body)
      process.stdout.write(options.json ? `${JSON.stringify(row, null, 2)}\n` : told(row, options.all))
    })
}
