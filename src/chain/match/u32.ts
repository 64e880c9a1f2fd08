/** -m u32: numbers anywhere in the packet. `tests := location = value [&& …]`, `location := number [operator number]…`. */
import { type MatchKind, SLOW, Wrong } from '../extension.ts'
import { AND, AT, LEFT, RIGHT } from '../matcher/u32.ts'
import { read } from '../number.ts'
import * as R from '../registers.ts'
import { negation } from './ip.ts'

interface Test {
  /** operation and number; the first reads from the packet's begin */
  location: [number, number][]
  /** least and most */
  values: [number, number][]
}

interface U32 {
  tests: Test[]
  not: boolean
}

/** XT_U32_MAXSIZE: tests, operations of each, ranges of each */
const SIZE_MAX = 10
const OPERATORS: Record<string, number> = { '&': AND, '<<': LEFT, '>>': RIGHT, '@': AT }
const SIGNS = ['&', '<<', '>>', '@']

export const u32: MatchKind<U32> = {
  name: 'u32',
  options: { '--u32': { words: 1, negatable: true } },
  begin: () => ({ tests: [], not: false }),
  take(data, _option, words, not) {
    data.tests = new Reader(words[0]).tests()
    data.not = not
  },
  end({ tests }) {
    if (tests.length === 0) throw new Wrong('needs --u32', 0)
  },
  print: ({ tests, not }) => [...negation(not), '--u32', `"${tests.map(printTest).join('&&')}"`],
  code({ tests, not }, emit) {
    const program = tests.flatMap(({ location, values }) => [
      location.length,
      values.length,
      ...location.flat().map((number) => number | 0),
      ...values.flat().map((number) => number | 0),
    ])
    return { text: `M[${emit.matcher({ type: 'u32', program, inverted: not })}].ask(x)`, nature: SLOW }
  },
  shows({ tests }, x, view) {
    const number = tests[0].location[0][1]
    if (number > x[R.END] - x[R.NETWORK] - 4) return `nothing at ${hex(number)}`
    return `${hex(view.getUint32(x[R.NETWORK] + number))} at ${hex(number)}`
  },
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}

function printTest({ location, values }: Test): string {
  const place = location.map(([sign, number], i) => (i === 0 ? '' : SIGNS[sign]) + hex(number)).join('')
  const ranges = values.map(([least, most]) => (least === most ? hex(least) : `${hex(least)}:${hex(most)}`))
  return `${place}=${ranges.join(',')}`
}

/** Reads tests from the left; what is wrong is told with the number of the character, from 1 on. */
class Reader {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  tests(): Test[] {
    const tests = [this.test()]
    while (!this.isOver()) {
      this.expect('&&')
      tests.push(this.test())
      if (tests.length > SIZE_MAX) throw this.wrong(`has more than ${SIZE_MAX} tests`)
    }
    return tests
  }

  private test(): Test {
    const location: [number, number][] = [[AT, this.number()]]
    while (!this.skip('=')) {
      const sign = SIGNS.find((each) => this.skip(each))
      if (sign === undefined) throw this.wrong('has no operator (&, <<, >>, @) and no =')
      location.push([OPERATORS[sign], this.number()])
      if (location.length > SIZE_MAX) throw this.wrong(`has more than ${SIZE_MAX} numbers in a location`)
    }
    const values = [this.range()]
    while (this.skip(',')) {
      values.push(this.range())
      if (values.length > SIZE_MAX) throw this.wrong(`has more than ${SIZE_MAX} ranges`)
    }
    return { location, values }
  }

  private range(): [number, number] {
    const least = this.number()
    return [least, this.skip(':') ? this.number() : least]
  }

  private number(): number {
    this.blanks()
    const [digits = ''] = /^[0-9a-zA-Z]*/.exec(this.text.slice(this.at)) ?? []
    const value = read(digits)
    if (!(value <= 0xffff_ffff)) throw this.wrong('has no number of 32 bits')
    this.at += digits.length
    return value
  }

  private expect(sign: string): void {
    if (!this.skip(sign)) throw this.wrong(`has no ${sign}`)
  }

  private skip(sign: string): boolean {
    this.blanks()
    if (!this.text.startsWith(sign, this.at)) return false
    this.at += sign.length
    return true
  }

  private isOver(): boolean {
    this.blanks()
    return this.at === this.text.length
  }

  private blanks(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++
  }

  private wrong(what: string): Wrong {
    return new Wrong(`${what} at character ${this.at + 1}`)
  }
}
