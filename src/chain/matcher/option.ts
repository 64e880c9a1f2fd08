// Hot: looks for an option in a TCP header.
import { HEADER_LENGTH, headerLength } from '../../wire/tcp.ts'
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { END, HOTDROP, TRANSPORT } from '../registers.ts'

/** Kinds of one byte: the end of options, which the kernel takes for padding, and padding. */
const PADDING_MAX = 1

/** Description: { type: 'option', option: its kind, not: whether it shall be missing }. A header that is cut off drops the packet. */
export class OptionMatcher implements Matcher {
  private readonly view: DataView
  private readonly option: number
  private readonly not: boolean

  constructor(footing: Footing, spec: MatcherSpec) {
    this.view = footing.arena.view
    this.option = Number(spec.option)
    this.not = Boolean(spec.not)
  }

  ask(x: Int32Array): boolean {
    const { view, option, not } = this
    const transport = x[TRANSPORT]
    const length = transport + HEADER_LENGTH > x[END] ? 0 : headerLength(view, transport)
    const end = transport + length
    if (length < HEADER_LENGTH || end > x[END]) {
      x[HOTDROP] = 1
      return false
    }
    let at = transport + HEADER_LENGTH
    while (at < end) {
      const kind = view.getUint8(at)
      if (kind === option) return !not
      if (kind <= PADDING_MAX || at + 1 >= end) at++
      else at += view.getUint8(at + 1) || 1
    }
    return not
  }
}
