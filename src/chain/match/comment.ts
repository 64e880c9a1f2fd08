/** -m comment: says something to whoever reads the rules. */
import { type MatchKind, STATIC, Wrong } from '../extension.ts'
import { quote } from '../words.ts'

interface Comment {
  text: string | null
}

/** Bytes that the kernel keeps. */
const COMMENT_LENGTH = 255

export const comment: MatchKind<Comment> = {
  name: 'comment',
  options: { '--comment': { words: 1 } },
  begin: () => ({ text: null }),
  take(data, _option, [word]) {
    data.text = cut(word, COMMENT_LENGTH)
  },
  end(data) {
    if (data.text === null) throw new Wrong('lacks --comment', 0)
  },
  print: (data) => ['--comment', quote(data.text ?? '')],
  code: () => ({ text: 'true', nature: STATIC }),
  shows: () => '',
}

/** A string's first bytes, as many as the kernel keeps; a character that would be cut in two is left out. */
export function cut(text: string, length: number): string {
  if (Buffer.byteLength(text) <= length) return text
  let end = Math.min(text.length, length)
  while (Buffer.byteLength(text.slice(0, end)) > length) end--
  return text.slice(0, end)
}
