/** Options that several commands share. */
import { type Command, InvalidArgumentError } from 'commander'

export function withSocket(command: Command): Command {
  return command.option('--socket <path>', 'socket of the switch ($BRIDGEPORT_SOCKET)')
}

/** Where a daemon shall answer: --socket overrides the file, $BRIDGEPORT_SOCKET holds when the file names none. */
export function daemonSocket(command: Command): { socket?: string; fallback?: string } {
  const { socket } = command.optsWithGlobals<{ socket?: string }>()
  const fallback = process.env.BRIDGEPORT_SOCKET
  return { ...(socket ? { socket } : {}), ...(fallback ? { fallback } : {}) }
}

/** An option's number between two bounds. */
export function between(least: number, most: number): (given: string) => number {
  return (given) => {
    const value = Number(given)
    if (given.trim() !== '' && value >= least && value <= most) return value
    throw new InvalidArgumentError(`Give a number from ${least} to ${most}.`)
  }
}

/** An option's whole number between two bounds. */
export function whole(least: number, most: number): (given: string) => number {
  return (given) => {
    if (/^\d+$/.test(given)) return between(least, most)(given)
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`)
  }
}

/** Digits as a number; anything else stays as it stood, so that the daemon's line can show it. */
export function number(text: string): number | string {
  return /^\d{1,15}$/.test(text) ? Number(text) : text
}

/** The entries that have a value. */
export function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
