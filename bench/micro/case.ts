/** One thing to time. */
export interface Case {
  name: string
  /** frames (or entries) that one call of `run` moves */
  frames: number
  run(): void | Promise<void>
  /** done before every call of `run`, not timed */
  before?(): void
}
