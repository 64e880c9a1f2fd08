/**
 * What a suite made outside of itself, taken away again in reverse order: after the suite, and when its process ends early.
 *
 * Actions are synchronous because an `exit` handler cannot wait.
 */
const actions: (() => void)[] = []

/** Registers an action; it runs once. */
export function defer(action: () => void): void {
  actions.push(action)
}

/** Runs all registered actions, also after one failed, and throws the first failure at the end. */
export function cleanup(): void {
  let first: unknown
  for (let action = actions.pop(); action; action = actions.pop()) {
    try {
      action()
    } catch (error) {
      first ??= error
    }
  }
  if (first) throw first
}

process.on('exit', () => cleanup())
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
