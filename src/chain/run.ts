/** Many rules become one function: a run by probes of its masks, like rules without keys by a loop over their numbers. */
import { NUMBER, PROLOGUE, ruleCode } from './code.ts'
import type { Action } from './extension.ts'
import type { Key } from './key.ts'
import { type AddTable, kindsOf, parametrise } from './kind.ts'
import * as x from './registers.ts'
import { probes } from './tuple.ts'

/** Kinds of rules in one function. */
const KINDS = 16

/** The function of a run whose rules are counted from `first` on; `lookup` and `table` say by which number it finds its data. */
export function runSource(
  keys: readonly Key[],
  actions: readonly Action[],
  first: number,
  lookup: number,
  table: AddTable,
): string {
  const statements = keys.map(({ rest }, at) => numbered(ruleCode(rest, actions[at], PROLOGUE), first))
  const { prelude, each } = bodyOf(statements, table)
  const volatile = keys.some(({ isPure }) => isPure) ? `x[${x.VOLATILE}]=1;` : ''
  const loop = `for(;k<${keys.length};k=g.next()){${each}}`
  const body = `${PROLOGUE}${volatile}${probes(keys)}${loop}return ${x.CONTINUE}`
  return `(()=>{const g=G[${lookup}],B=g.bits;${prelude}return(function(){${body}})})()`
}

/** The function of rules one after the other, counted from `first` on. */
export function rowsSource(statements: readonly string[], first: number, table: AddTable): string {
  const { prelude, each } = bodyOf(
    statements.map((statement) => numbered(statement, first)),
    table,
  )
  const loop = `for(let k=0;k<${statements.length};k++){${each}}`
  return `(()=>{${prelude}return(function(){${PROLOGUE}${loop}return ${x.CONTINUE}})})()`
}

/** Statements of rule k, and what they stand on. */
function bodyOf(statements: readonly string[], table: AddTable): { prelude: string; each: string } {
  const { bodies, prelude } = parametrise(kindsOf(statements), statements.length, table)
  if (bodies.length <= KINDS) return { prelude, each: choice(bodies, 0) }
  const parts: string[] = []
  for (let at = 0; at < bodies.length; at += KINDS) {
    parts.push(`(function(k){${choice(bodies.slice(at, at + KINDS), at)}return ${x.CONTINUE}})`)
  }
  const each = `const r=F[V[k]>>4](k);if(r!==${x.CONTINUE})return r`
  return { prelude: `${prelude}const F=[${parts.join()}];`, each }
}

function numbered(statement: string, first: number): string {
  return statement.replaceAll(NUMBER, `${first}+k`)
}

/** Statements by the kind of rule k. */
function choice(bodies: readonly string[], first: number): string {
  if (bodies.length === 1 && first === 0) return bodies[0]
  return `switch(V[k]){${bodies.map((body, at) => `case ${first + at}:{${body}}break;`).join('')}}`
}
