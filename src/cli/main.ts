/** The command line, and how every command fails: one line, and a status that says whose fault. */
import { CommanderError } from 'commander'
import { Refusal } from '../control/refusal.ts'
import { program } from './program.ts'

/** Wrong usage, as in the contract; 1 is refused or failed. */
const USAGE = 2

/** The status of an error, after its line was printed. */
function failed(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
  if (error instanceof Refusal) {
    for (const line of error.lines) process.stderr.write(`bridgeport: ${line}\n`)
    return 1
  }
  const { code, syscall, message } = error as NodeJS.ErrnoException
  const isRight = code === 'EPERM' || code === 'EACCES'
  const remedy = isRight ? `; ${syscall ?? 'this'} needs a right that is missing: run as root (sudo)` : ''
  process.stderr.write(`bridgeport: ${String(message ?? error).split('\n')[0]}${remedy}\n`)
  return 1
}

// A reader that went away (`bridgeport port ls | head -1`) has what it wanted.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? 0 : failed(error)),
  )

await program()
  .parseAsync()
  .catch((error: unknown) => {
    const status = failed(error)
    // Help is still being written.
    if (status !== 0) process.exit(status)
  })
