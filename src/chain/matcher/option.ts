// Hot: looks for an option in a TCP header.
import { HEADER_LENGTH, headerLength } from '../../wire/tcp.ts'
import type { MatcherSpec } from '../extension.ts'
import type { Footing, Matcher } from '../matcher.ts'
import { END, TRANSPORT } from '../registers.ts'

/** Kinds of one byte: the end of options, which the kernel takes for padding, and padding. */
const PADDING_MAX = 1

/** Description: { type: 'option', option: its kind }. */
export class OptionMatcher implements Matcher {
  private readonly view: DataView
  private readonly option: number

  constructor(footing: Footing, spec: MatcherSpec) {
    this.view = footing.arena.view
    this.option = Number(spec.option)
  }

  ask(x: Int32Array): boolean {
    const { view, option } = this
    const transport = x[TRANSPORT]
    if (transport + HEADER_LENGTH > x[END]) return false
    const end = Math.min(transport + headerLength(view, transport), x[END])
    let at = transport + HEADER_LENGTH
    while (at < end) {
      const kind = view.getUint8(at)
      if (kind === option) return true
      if (kind <= PADDING_MAX || at + 1 >= end) at++
      else at += view.getUint8(at + 1) || 1
    }
    return false
  }
}
