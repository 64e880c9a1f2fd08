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
  const { bodies, prelude } = parametrise(kindsOf(statements), keys.length, table)
  const volatile = keys.some(({ isPure }) => isPure) ? `x[${x.VOLATILE}]=1;` : ''
  const end = keys.length
  const parts: string[] = []
  for (let at = 0; bodies.length > KINDS && at < bodies.length; at += KINDS) {
    parts.push(`(function(k){${choice(bodies.slice(at, at + KINDS), at)}return 0})`)
  }
  const functions = parts.length > 0 ? `const F=[${parts.join()}];` : ''
  const each = parts.length > 0 ? 'const r=F[V[k]>>4](k);if(r!==0)return r' : choice(bodies, 0)
  const body = `${PROLOGUE}${volatile}${probes(keys)}for(;k<${end};k=g.next()){${each}}return ${x.CONTINUE}`
  return `(()=>{const g=G[${lookup}],B=g.bits;${prelude}${functions}return(function(){${body}})})()`
}

/** The function of rules of one kind, one after the other, counted from `first` on. */
export function rowsSource(statements: readonly string[], first: number, table: AddTable): string {
  const kinds = kindsOf(statements.map((statement) => numbered(statement, first)))
  const { bodies, prelude } = parametrise(kinds, statements.length, table)
  const loop = `for(let k=0;k<${statements.length};k++){${choice(bodies, 0)}}`
  return `(()=>{${prelude}return(function(){${PROLOGUE}${loop}return ${x.CONTINUE}})})()`
}

function numbered(statement: string, first: number): string {
  return statement.replaceAll(NUMBER, `${first}+k`)
}

/** Statements by the kind of rule k. */
function choice(bodies: readonly string[], first: number): string {
  if (bodies.length === 1 && first === 0) return bodies[0]
  return `switch(V[k]){${bodies.map((body, at) => `case ${first + at}:{${body}}break;`).join('')}}`
}
