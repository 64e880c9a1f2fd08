/**
 * Filters of captures: classic BPF (McCanne and Jacobson 1993, Linux's Documentation/networking/filter.rst), as libpcap compiles its language,
 * made into functions: loops over a burst, since a call a frame would cost as much as most filters do.
 *
 * A program is pairs of int32: the code, with the distances of a conditional jump above it (code | jt << 16 | jf << 24), and k. Jumps lead
 * forward only, so each target is the end of a labelled block that begins before the first jump to it:
 *
 *   L7:{ L4:{ if (…) break L4; … break L7 } … }
 *
 * A and X are int32 here and are compared as uint32, so that V8 keeps them in registers. The source holds integers only.
 */

import { LENGTHS } from '../memory/block.ts'
import { STRIDE } from '../memory/pool.ts'

/** Which of the frames `from` to `to` of a burst block (int32 position) are wanted: their places go into `found`; returns how many. */
export type Sieve = (block: number, from: number, to: number, found: Int32Array) => number

/** BPF_MAXINSNS */
const LENGTH_MAX = 4096
/** BPF_MEMWORDS */
const MEMORY = 16

const RET_K = 0x06
const RET_A = 0x16
const RETURNS = [RET_K, RET_A]
const JUMP = 0x05
/** bits of a code that tell a conditional jump, and whether it or a calculation asks X instead of k */
const CLASS = 0x07
const BY_X = 0x08

/** How many bytes each load takes, by code. */
const FIXED_LOADS: Record<number, number> = { 32: 4, 40: 2, 48: 1 }
const INDEXED_LOADS: Record<number, number> = { 64: 4, 72: 2, 80: 1 }
/** What ends the program for one frame. */
const PASS = 'continue;'
const TAKE = '{found[n++]=i;continue}'

const READ: Record<number, string> = { 1: 'getUint8', 2: 'getUint16', 4: 'getInt32' }
const HEADER_LENGTH = 0xb1

/** What needs no check, by code: of k, which is an int32. */
const PLAIN: Record<number, (k: number) => string> = {
  0: (k) => `a=${k};`,
  1: (k) => `x=${k};`,
  128: () => 'a=length;',
  129: () => 'x=length;',
  7: () => 'x=a;',
  135: () => 'a=x;',
  132: () => 'a=-a|0;',
}

/** Of a word of memory. */
const WORD: Record<number, (k: number) => string> = {
  2: (k) => `m${k}=a;`,
  3: (k) => `m${k}=x;`,
  96: (k) => `a=m${k};`,
  97: (k) => `x=m${k};`,
}

/** Calculations by code without BY_X; `b` is k or x. */
const CALCULATIONS: Record<number, (b: string) => string> = {
  4: (b) => `a=a+${b}|0;`,
  20: (b) => `a=a-${b}|0;`,
  36: (b) => `a=Math.imul(a,${b});`,
  52: (b) => `if(${b}===0)${PASS}a=(a>>>0)/(${b}>>>0)|0;`,
  68: (b) => `a|=${b};`,
  84: (b) => `a&=${b};`,
  100: (b) => `a<<=${b};`,
  116: (b) => `a=a>>>${b}|0;`,
  148: (b) => `if(${b}===0)${PASS}a=(a>>>0)%(${b}>>>0)|0;`,
  164: (b) => `a^=${b};`,
}
const SHIFTS = [100, 116]
const DIVISIONS = [52, 148]

/** Conditions of jumps by code without BY_X. */
const CONDITIONS: Record<number, (b: string) => string> = {
  21: (b) => `a===${b}`,
  37: (b) => `a>>>0>${b}>>>0`,
  53: (b) => `a>>>0>=${b}>>>0`,
  69: (b) => `(a&${b})!==0`,
}

const codeOf = (program: Int32Array, i: number) => program[2 * i] & 0xffff
const isConditional = (code: number) => (code & CLASS) === JUMP && code !== JUMP

/** Where an instruction may jump to. */
function targets(program: Int32Array, i: number): number[] {
  const code = codeOf(program, i)
  if (code === JUMP) return [i + 1 + (program[2 * i + 1] >>> 0)]
  if (!isConditional(code)) return []
  return [i + 1 + ((program[2 * i] >>> 16) & 0xff), i + 1 + (program[2 * i] >>> 24)]
}

/** What is wrong with an instruction, '' if nothing is. */
function mistake(program: Int32Array, i: number, count: number): string {
  const code = codeOf(program, i)
  const k = program[2 * i + 1]
  const bare = code & ~BY_X
  const byX = (code & BY_X) !== 0
  if (code === JUMP && k < 0)
    return 'it jumps back, as protochain has it, and a frame must not keep a worker busy'
  if (code === JUMP || (isConditional(code) && bare in CONDITIONS))
    return targets(program, i).every((target) => target < count) ? '' : 'it jumps out of the program'
  if (code in WORD) return k >= 0 && k < MEMORY ? '' : `there is no M[${k >>> 0}]`
  if (bare in CALCULATIONS && !(code in PLAIN)) {
    if (!byX && k === 0 && DIVISIONS.includes(bare)) return 'it divides by zero'
    if (!byX && SHIFTS.includes(bare) && (k < 0 || k > 31)) return `it shifts by ${k >>> 0} bits`
    return ''
  }
  if (code in FIXED_LOADS && k < 0) return 'it asks what only the kernel knows of a frame; see --direction'
  const known = RETURNS.includes(code) || code === HEADER_LENGTH || code in PLAIN
  return known || code in FIXED_LOADS || code in INDEXED_LOADS ? '' : `0x${code.toString(16)} is no code`
}

/** Throws an Error with the place if a program is none that ends for every frame. */
export function verify(program: Int32Array): void {
  const count = program.length / 2
  if (!Number.isInteger(count) || count < 1 || count > LENGTH_MAX)
    throw new Error(`a filter has 1 to ${LENGTH_MAX} instructions, not ${count}`)
  for (let i = 0; i < count; i++) {
    const what = mistake(program, i, count)
    if (what !== '') throw new Error(`instruction ${i} of the filter: ${what}`)
  }
  if (!RETURNS.includes(codeOf(program, count - 1)))
    throw new Error(`instruction ${count - 1} of the filter: the last one must return`)
}

/** What `take` does with `size` bytes at k, or at k + X. What lies beyond the frame ends the filter. */
function load(size: number, k: number, indexed: boolean, take = (value: string) => `a=${value};`): string {
  const end = (k >>> 0) + size
  if (end > 0x7fffffff) return PASS
  const check = indexed ? `x>>>0>length-${end}` : `length<${end}`
  return `if(${check})${PASS}${take(`v.${READ[size]}(at+${k}${indexed ? '+x' : ''})`)}`
}

function isReturn(program: Int32Array, i: number): boolean {
  return RETURNS.includes(codeOf(program, i))
}

function end(program: Int32Array, i: number): string {
  if (codeOf(program, i) === RET_A) return `if(a===0)${PASS}${TAKE}`
  return program[2 * i + 1] === 0 ? PASS : TAKE
}

/** A jump, or what stands there if that only returns. */
function go(program: Int32Array, target: number): string {
  return isReturn(program, target) ? `{${end(program, target)}}` : `break L${target};`
}

function statement(program: Int32Array, i: number): string {
  const code = codeOf(program, i)
  const k = program[2 * i + 1]
  const bare = code & ~BY_X
  const b = code & BY_X ? 'x' : `(${k})`
  if (isReturn(program, i)) return end(program, i)
  if (code in FIXED_LOADS) return load(FIXED_LOADS[code], k, false)
  if (code in INDEXED_LOADS) return load(INDEXED_LOADS[code], k, true)
  if (code === HEADER_LENGTH) return load(1, k, false, (value) => `x=(${value}&15)<<2;`)
  if (code in PLAIN) return PLAIN[code](k)
  if (code in WORD) return WORD[code](k)
  if (bare in CALCULATIONS) return CALCULATIONS[bare](b)
  const [yes, no] = targets(program, i)
  if (code === JUMP) return yes === i + 1 ? '' : go(program, yes)
  if (yes === no) return yes === i + 1 ? '' : go(program, yes)
  const condition = CONDITIONS[bare](b)
  if (yes === i + 1) return `if(!(${condition}))${go(program, no)}`
  return `if(${condition})${go(program, yes)}${no === i + 1 ? '' : go(program, no)}`
}

/** By target: where its block begins. That is at the first jump there, or earlier, so that none ends within another that it began before. */
function blocks(program: Int32Array): Map<number, number> {
  const begins = new Map<number, number>()
  for (let i = 0; i < program.length / 2; i++)
    for (const target of targets(program, i))
      if (target > i + 1 && !isReturn(program, target) && !begins.has(target)) begins.set(target, i)
  // The outermost blocks so far, one behind the other.
  const outer: { begin: number; end: number }[] = []
  for (const end of [...begins.keys()].sort((one, other) => one - other)) {
    let begin = begins.get(end) as number
    while (outer.length > 0 && outer[outer.length - 1].end > begin)
      begin = Math.min(begin, (outer.pop() as { begin: number }).begin)
    outer.push({ begin, end })
    begins.set(end, begin)
  }
  return begins
}

/** The body of the loop, over `at` and `length`. */
function source(program: Int32Array): string {
  const begins = blocks(program)
  const openings = new Map<number, string>()
  for (const [end, begin] of [...begins].sort(([one], [other]) => other - one))
    openings.set(begin, `${openings.get(begin) ?? ''}L${end}:{`)
  let text = ''
  for (let i = 0; i < program.length / 2; i++)
    text += `${begins.has(i) ? '}' : ''}${openings.get(i) ?? ''}${statement(program, i)}\n`
  return text
}

/** Registers and words of memory, as the body wants them. */
function registers(program: Int32Array): string {
  const used = Array.from({ length: MEMORY }, (_, word) => word)
  const isUsed = (word: number) =>
    program.some((k, i) => i % 2 === 1 && k === word && codeOf(program, i >> 1) in WORD)
  return ['a=0,x=0', ...used.filter(isUsed).map((word) => `m${word}=0`)].join()
}

/** Makes a loop of a program, over frames of the pool whose slot 0 begins its frame at `base`. Throws an Error if verify() does. */
export function compileSieve(program: Int32Array, view: DataView, i32: Int32Array, base: number): Sieve {
  verify(program)
  const frame = `const at=${base}+w[block+i]*${STRIDE}|0,length=w[block+${LENGTHS}+i];let ${registers(program)};`
  const loop = `let n=0;for(let i=from|0;i<to;i++){${frame}\n${source(program)}}return n`
  return new Function('v', 'w', `'use strict';return(block,from,to,found)=>{block|=0;${loop}}`)(view, i32)
}
