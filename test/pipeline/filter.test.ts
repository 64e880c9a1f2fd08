/** Filters against an interpreter. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { verify } from '../../src/pipeline/filter.ts'
import { passed } from '../lab/expression.ts'

interface Instruction {
  code: number
  jt: number
  jf: number
  k: number
}

function pack(program: Instruction[]): Int32Array {
  return Int32Array.from(program.flatMap(({ code, jt, jf, k }) => [code | (jt << 16) | (jf << 24), k]))
}

/** BPF as the paper tells it, on unsigned numbers. */
function interpret(program: Instruction[], frame: Uint8Array): number {
  const memory = new Array<number>(16).fill(0)
  let a = 0
  let x = 0
  const load = (at: number, size: number): number | null => {
    if (at + size > frame.length) return null
    return frame.subarray(at, at + size).reduce((value, byte) => value * 256 + byte, 0)
  }
  for (let i = 0; ; i++) {
    const { code, jt, jf, k } = program[i]
    const b = code & 8 ? x : k
    let value: number | null = 0
    switch (code & 7) {
      case 6:
        return code === 0x16 ? a : k
      case 5: {
        const yes = { 16: a === b, 32: a > b, 48: a >= b, 64: (a & b) !== 0 }[code & 0xf0]
        i += yes === undefined ? k : yes ? jt : jf
        continue
      }
      case 4: {
        const bits = b & 31
        const wide = { 80: BigInt(a) & BigInt(b), 64: BigInt(a) | BigInt(b), 160: BigInt(a) ^ BigInt(b) }
        if ((code & 0xf0) === 0x30 || (code & 0xf0) === 0x90) {
          if (b === 0) return 0
          a = (code & 0xf0) === 0x30 ? Math.floor(a / b) : a % b
        } else if ((code & 0xf0) === 0x00) a = (a + b) % 2 ** 32
        else if ((code & 0xf0) === 0x10) a = (a - b + 2 ** 32) % 2 ** 32
        else if ((code & 0xf0) === 0x20) a = Number((BigInt(a) * BigInt(b)) % 2n ** 32n)
        else if ((code & 0xf0) === 0x60) a = Number((BigInt(a) << BigInt(bits)) % 2n ** 32n)
        else if ((code & 0xf0) === 0x70) a = Math.floor(a / 2 ** bits)
        else if ((code & 0xf0) === 0x80) a = (2 ** 32 - a) % 2 ** 32
        else a = Number(wide[(code & 0xf0) as 0x50])
        continue
      }
      case 7:
        if (code === 7) x = a
        else a = x
        continue
      case 2:
        memory[k] = a
        continue
      case 3:
        memory[k] = x
        continue
    }
    const size = { 0: 4, 8: 2, 16: 1 }[code & 0x18] ?? 0
    const mode = code & 0xe0
    if (mode === 0x00) value = k
    else if (mode === 0x20) value = load(k, size)
    else if (mode === 0x40) value = load(x + k, size)
    else if (mode === 0x60) value = memory[k]
    else if (mode === 0x80) value = frame.length
    else {
      value = load(k, 1)
      if (value !== null) value = (value & 15) * 4
    }
    if (value === null) return 0
    if ((code & 7) === 0) a = value
    else x = value
  }
}

const number = fc.oneof(
  fc.nat(70),
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0x7fffffff, 0x80000000),
)
const place = fc.oneof(fc.nat(70), fc.nat(0x7fffffff), fc.constantFrom(0x7ffffffe, 0x7fffffff))
const calculations = [0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0x94, 0xa4]

/** What an instruction may be that has `rest` others behind it. */
function instruction(rest: number): fc.Arbitrary<Instruction> {
  const plain = (codes: number[], k: fc.Arbitrary<number> = fc.constant(0)) =>
    fc.record({ code: fc.constantFrom(...codes), jt: fc.constant(0), jf: fc.constant(0), k })
  const jump = fc.nat(Math.min(rest, 255) - 1)
  return fc.oneof(
    { weight: 2, arbitrary: plain([0x20, 0x28, 0x30], place) },
    { weight: 2, arbitrary: plain([0x40, 0x48, 0x50, 0xb1], number) },
    { weight: 2, arbitrary: plain([0x00, 0x01, 0x80, 0x81, 0x07, 0x87, 0x84], number) },
    { weight: 2, arbitrary: plain([0x02, 0x03, 0x60, 0x61], fc.nat(15)) },
    { weight: 2, arbitrary: plain(calculations, fc.integer({ min: 1, max: 31 })) },
    { weight: 2, arbitrary: plain(calculations.map((code) => code | 8)) },
    {
      weight: 6,
      arbitrary: fc.record({
        code: fc.constantFrom(...[0x15, 0x25, 0x35, 0x45].flatMap((code) => [code, code | 8])),
        jt: jump,
        jf: jump,
        k: number,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ code: fc.constant(5), jt: fc.constant(0), jf: fc.constant(0), k: jump }),
    },
    { weight: 1, arbitrary: plain([0x06, 0x16], number) },
  )
}

const program = fc
  .integer({ min: 0, max: 40 })
  .chain((length) => fc.tuple(...Array.from({ length }, (_, i) => instruction(length - i))))
  .chain((body) => fc.constantFrom(0x06, 0x16).map((code) => [...body, { code, jt: 0, jf: 0, k: 7 }]))

describe('a filter', () => {
  it('says what an interpreter says', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(program, frames, (made, list) => {
        const wanted = list.flatMap((frame, i) => (interpret(made, frame) === 0 ? [] : [i]))
        expect(passed(pack(made), list)).toEqual(wanted)
      }),
      { numRuns: 1000 },
    )
  })

  it('may be as long as BPF allows, with as many targets', () => {
    const count = 4096
    const made: Instruction[] = Array.from({ length: count }, (_, i) => ({
      ...(i < count / 2 - 1 ? { code: 5, k: count - 3 - 2 * i } : { code: 4, k: 1 }),
      jt: 0,
      jf: 0,
    }))
    made[count - 1] = { code: 0x16, jt: 0, jf: 0, k: 0 }
    expect(passed(pack(made), [new Uint8Array(60)])).toEqual([0])
    expect(interpret(made, new Uint8Array(60))).toBe(1)
  })

  const end = { code: 6, jt: 0, jf: 0, k: 0 }
  it.each<[string, Partial<Instruction>[], string]>([
    ['nothing', [], 'a filter has 1 to 4096 instructions, not 0'],
    ['too much', new Array(4097).fill(end), 'a filter has 1 to 4096 instructions, not 4097'],
    ['no end', [{ code: 0 }], 'instruction 0 of the filter: the last one must return'],
    ['a jump out', [{ code: 5, k: 1 }, end], 'instruction 0 of the filter: it jumps out of the program'],
    ['a jump back', [{ code: 5, k: -1 }, end], 'instruction 0 of the filter: it jumps back'],
    [
      'a condition that leads out',
      [end, { code: 0x15, jf: 1 }, end],
      'instruction 1 of the filter: it jumps out of the program',
    ],
    ['a word too far', [{ code: 0x60, k: 16 }, end], 'instruction 0 of the filter: there is no M[16]'],
    ['a division by nothing', [{ code: 0x34 }, end], 'instruction 0 of the filter: it divides by zero'],
    ['a shift too far', [{ code: 0x64, k: 32 }, end], 'instruction 0 of the filter: it shifts by 32 bits'],
    ['an unknown code', [{ code: 0xc4 }, end], 'instruction 0 of the filter: 0xc4 is no code'],
    [
      'a question to the kernel, as inbound has it',
      [{ code: 0x28, k: 0xfffff004 }, end],
      'instruction 0 of the filter: it asks what only the kernel knows of a frame',
    ],
    ['an unknown return', [{ code: 0x0e }, end], 'instruction 0 of the filter: 0xe is no code'],
  ])('is refused with %s', (_, made, message) => {
    expect(() => verify(pack(made.map((each) => ({ ...end, ...each }))))).toThrow(message)
  })
})
