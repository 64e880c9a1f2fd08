/** What a service cannot do because of the machine or the user, in the parts of one line: what, why, and the remedy. */
export class Refused extends Error {
  readonly what: string
  readonly why: string
  readonly remedy: string

  constructor(what: string, why: string, remedy: string) {
    super(`${what}: ${why}; ${remedy}`)
    this.name = 'Refused'
    this.what = what
    this.why = why
    this.remedy = remedy
  }
}
