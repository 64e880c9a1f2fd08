/** Between networks: closed, but into a routed one, for those that lead anywhere. */
import { filtered, no, nowhere, silent, yes } from './cell.ts'
import * as plan from './plan.ts'
import { plots } from './plan.ts'
import type { Proof } from './proof.ts'
import type { Chapter } from './table.ts'

type Pair = [from: plan.Plot, to: plan.Plot]

const ends = ([from, to]: Pair) => ({ from: from.name, at: to.name, to: plan.guest(to.number) })
const title = ([from, to]: Pair) => `${from.title} → ${to.title}`

const { nat, solo, lab, dark, open, shut, street, road, end } = plots

function closed(pairs: Pair[], refused: Parameters<typeof no>[2]): Proof[] {
  return pairs.map((pair) => no(title(pair), ends(pair), refused))
}

function entered(pairs: Pair[]): Proof[] {
  return pairs.map((pair) => yes(title(pair), ends(pair), plan.guest(pair[0].number)))
}

export const between: Chapter = {
  title: 'Between networks',
  proofs: [
    ...entered([
      [nat, open],
      [solo, open],
      [street, open],
      [open, road],
      [road, open],
    ]),
    ...closed(
      [
        [nat, solo],
        [nat, dark],
        [nat, street],
        [open, nat],
        [open, dark],
        [road, shut],
        [street, nat],
        [dark, nat],
        [dark, open],
        [end, nat],
        [end, open],
      ],
      filtered,
    ),
    ...closed(
      [
        [lab, nat],
        [lab, open],
        [nat, lab],
      ],
      silent(),
    ),
    ...closed([[dark, lab]], nowhere),
  ],
}
