/** What sets hold, for listings and as text. */
import type { Creation } from '../chain/creation.ts'
import { type Element, type Entry, printEntry } from '../chain/element.ts'
import type { Command, Contents } from '../chain/sets.ts'
import type { Arena } from '../memory/arena.ts'
import * as roster from '../table/roster.ts'
import { type Held, isLate } from './body.ts'
import { monotonicMs } from './listing.ts'

export interface SetRow {
  name: string
  type: string
  maxelem: number
  /** seconds after which entries go, 0 never, null where they cannot */
  timeout: number | null
  netmask: number | null
  range: string | null
  /** entries of rules that found no room */
  refused: number
  /** entries that it has, those that are left out included */
  count: number
  entries: { element: string; timeout: number | null; nomatch: boolean }[]
}

/** Less than a second left is one: 0 stands for good. */
function seconds(leftMs: number): number {
  return leftMs <= 0 ? 0 : Math.max(1, Math.floor(leftMs / 1000))
}

/** Of more than `limit` entries so many. */
export function contents(
  arena: Arena,
  { made, at, members }: Held,
  limit = Number.POSITIVE_INFINITY,
): Contents {
  const now = monotonicMs()
  const isTimed = made.timeout !== null
  return {
    made,
    entries: roster.entries(arena, at, now, limit).map(({ address, key, nomatch, timeoutMs }) => ({
      ...{ address, key, nomatch, timeout: isTimed ? seconds(timeoutMs) : null },
    })),
    members: members
      .filter(({ deadline }) => !isLate(deadline, now))
      .slice(0, limit)
      .map(({ name, deadline }) => ({
        name,
        timeout: isTimed ? (deadline === 0 ? 0 : seconds((deadline - now) | 0)) : null,
      })),
  }
}

export function row(arena: Arena, held: Held, refused: number, limit?: number): SetRow {
  const { name, type, maxelem, timeout, netmask, first, last } = held.made
  const { entries, members } = contents(arena, held, limit)
  const shown = [...entries].map((entry) => ({
    ...{ element: printEntry(held.made, entry), timeout: entry.timeout, nomatch: entry.nomatch },
  }))
  const listed = [...members].map((member) => ({
    ...{ element: member.name, timeout: member.timeout, nomatch: false },
  }))
  return {
    ...{ name, type, maxelem, timeout, refused },
    netmask: type.startsWith('hash:') && netmask < 32 ? netmask : null,
    range: type === 'bitmap:port' ? `${first}-${last}` : null,
    count: roster.count(arena, held.at) + held.members.length,
    entries: [...shown, ...listed],
  }
}

/** A single change as text, with the timeout that the set gives where the element says none. */
export function lineOf(
  verb: 'add' | 'del',
  made: Creation,
  { timeout, nomatch }: Element,
  entry: Entry,
): string {
  const shown = `${verb} ${made.name} ${printEntry(made, entry)} -exist`
  if (verb === 'del') return shown
  const left = timeout ?? made.timeout
  return `${shown}${left === null ? '' : ` timeout ${left}`}${nomatch ? ' nomatch' : ''}`
}

/** Says when the timeouts below it were so long. */
const HEAD = '# as it was at '

/** A text, or a line, of which `aged` knows later how old it is. */
export function dated(text: string): string {
  return `${HEAD}${new Date().toISOString()}\n${text}${text === '' || text.endsWith('\n') ? '' : '\n'}`
}

/** What is whole of a dated text: its last line may have been written in part. */
export function whole(text: string): string {
  return text.startsWith(HEAD) ? text.slice(0, text.lastIndexOf('\n') + 1) : text
}

/** Commands as they are to be carried out now: timeouts of a dated text went on. */
export function aged(commands: Command[], text: string): Command[] {
  if (!text.startsWith(HEAD)) return commands
  const passed: number[] = []
  let latest = 0
  for (const line of text.split('\n')) {
    if (line.startsWith(HEAD)) latest = Math.floor((Date.now() - Date.parse(line.slice(HEAD.length))) / 1000)
    passed.push(Math.max(0, latest || 0))
  }
  return commands.flatMap((command) => {
    if (command.verb !== 'add' || !command.element.timeout) return [command]
    const timeout = command.element.timeout - passed[command.place.line - 1]
    return timeout <= 0 ? [] : [{ ...command, element: { ...command.element, timeout } }]
  })
}
