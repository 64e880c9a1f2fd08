/** What is dear to find out, for who asks every second: it is found out once in five seconds at most. */
const KEEP_MS = 5000

export class Kept<Value> {
  private last: { value: Value; until: number } | null = null

  /** What was found last, if that was dear and is not old; else what `find` finds now. */
  async take(find: () => Promise<Value>, isDear = true): Promise<Value> {
    const now = performance.now()
    if (this.last !== null && now < this.last.until) return this.last.value
    const value = await find()
    this.last = isDear ? { value, until: now + KEEP_MS } : null
    return value
  }
}
