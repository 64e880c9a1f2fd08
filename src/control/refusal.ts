/**
 * A mistake of the user or a state of the machine that stops what was asked, told in lines for a terminal: what, why and
 * the remedy. It is printed without a stack trace; every other Error is a defect of ours.
 */
export class Refusal extends Error {
  /** One entry for each thing that is wrong; a file may have several. */
  readonly lines: readonly string[]

  constructor(what: string, why: string, remedy = '') {
    super(`${what}: ${why}${remedy === '' ? '' : `; ${remedy}`}`.replaceAll('\n', ' '))
    this.name = 'Refusal'
    this.lines = [this.message]
  }

  /** One refusal for several mistakes, each on its own line of the message. */
  static of(lines: readonly string[]): Refusal {
    const refusal = new Refusal('', '')
    refusal.message = lines.join('\n')
    Object.defineProperty(refusal, 'lines', { value: [...lines], enumerable: true })
    return refusal
  }
}

/** The thing that was named does not exist. */
export class Absent extends Refusal {}

/** There is no room for it now. */
export class Busy extends Refusal {}
