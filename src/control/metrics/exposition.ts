/** Prometheus' text exposition format 0.0.4: families of samples, written without an object for each. */

/** Label values may hold anything; three characters are written as two. */
const ESCAPES: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

/** Labels as they stand between the braces. */
export function labels(values: Record<string, string | number>): string {
  const written = Object.entries(values).map(([name, value]) => {
    const text = String(value).replace(/[\\"\n]/g, (character) => ESCAPES[character])
    return `${name}="${text}"`
  })
  return written.join(',')
}

/** Writes a sample; `suffix` is what a histogram's samples have behind the family's name. */
export type Put = (labels: string, value: number, suffix?: string) => void

/** A family, and how its samples are found in what was gathered. */
export interface Family<Gathered> {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  write: (gathered: Gathered, put: Put) => void
}

/** Characters that become bytes together: a longer text would be a tree of a hundred thousand pieces before it is one. */
const PIECE = 16_384

/** The bytes of families, one after the other. */
export class Exposition {
  /** bytes so far, but for those of the last piece */
  length = 0
  private readonly pieces: Buffer[] = []
  private open = ''

  add<Gathered>({ name, help, type, write }: Family<Gathered>, gathered: Gathered): void {
    this.open += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    write(gathered, (labels, value, suffix = '') => {
      this.open += labels === '' ? `${name}${suffix} ${value}\n` : `${name}${suffix}{${labels}} ${value}\n`
      if (this.open.length > PIECE) this.close()
    })
  }

  private close(): void {
    const piece = Buffer.from(this.open)
    this.open = ''
    this.pieces.push(piece)
    this.length += piece.length
  }

  /** All that was added, and `rest` behind it. */
  end(rest = ''): Buffer {
    this.open += rest
    this.close()
    return Buffer.concat(this.pieces, this.length)
  }
}

/** Writes a histogram's samples: `counts` by bucket, the last of them for what is beyond the bounds if there is one more. */
export function histogram(put: Put, own: string, bounds: number[], counts: number[], sum: number): void {
  let count = 0
  bounds.forEach((bound, bucket) => {
    count += counts[bucket]
    put(`le="${bound}",${own}`, count, '_bucket')
  })
  count += counts[bounds.length] ?? 0
  put(`le="+Inf",${own}`, count, '_bucket')
  put(own, sum, '_sum')
  put(own, count, '_count')
}
