/** -j MARK: the packet's own mark, that later rules ask for. */
import { STATIC, type TargetKind, Wrong } from '../extension.ts'
import { type Change, change, changed, options, twice } from '../marking.ts'
import { hex } from '../number.ts'
import { MARK } from '../registers.ts'

interface Mark {
  change: Change | null
}

export const mark: TargetKind<Mark> = {
  name: 'MARK',
  options,
  begin: () => ({ change: null }),
  take(data, option, [word]) {
    if (data.change) throw twice()
    data.change = change(option, word)
  },
  end(data) {
    if (!data.change) throw new Wrong(`needs one of ${Object.keys(options).join(', ')}`, 0)
  },
  print: ({ change }) => (change ? ['--set-xmark', `${hex(change.value)}/${hex(change.mask)}`] : []),
  code({ change }) {
    const text = change ? `x[${MARK}]=${changed(`x[${MARK}]`, change)};` : ''
    return { text, nature: STATIC, ends: false }
  },
}
