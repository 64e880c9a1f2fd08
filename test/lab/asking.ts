/** Rules as text, asked of a packet that is loaded: from the words of a rule to the code of its matches, run by itself. */
import type { MatchKind } from '../../src/chain/extension.ts'
import { matchKind } from '../../src/chain/kinds.ts'
import { makeMatcher } from '../../src/chain/matchers.ts'
import { restore } from '../../src/chain/restore.ts'
import type { Rule } from '../../src/chain/rule.ts'
import { Ground } from './condition.ts'

/** Numbers of the names that are known from the start: networks, then ports. */
export const LAN = 1
export const WAN = 2
export const VM1 = 3

/** The rule that a text behind -A FORWARD says. */
export function rule(text: string): Rule {
  const { tables } = restore(`*filter\n-A FORWARD ${text}\nCOMMIT\n`)
  const found = tables.get('filter')?.chains.get('FORWARD')?.rules[0]
  if (!found) throw new Error(text)
  return found
}

export class Asking {
  readonly ground = new Ground(makeMatcher)

  constructor() {
    this.ground.emit.networks = ['lan', 'wan']
    for (const name of ['lan', 'wan', 'vm1', 'vm2']) this.ground.emit.name(name)
  }

  /** What the matches of a rule become. */
  conditions(text: string) {
    return rule(text).matches.map((use) => this.ground.match(matchKind(use.name) as MatchKind, use.data))
  }

  /** Whether the packet that is loaded meets the rule. */
  asks(text: string): boolean {
    return this.conditions(text).every((condition) => condition())
  }

  /** Those of the rules that it meets. */
  met(...texts: string[]): string[] {
    return texts.filter((text) => this.asks(text))
  }
}
