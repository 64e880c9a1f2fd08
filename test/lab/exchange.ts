/** A TCP echo and a client that sends random bytes and compares what comes back: every byte, both ways at once. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { says } from './command.ts'
import type { Namespace } from './namespace.ts'

const peer = join(dirname(fileURLToPath(import.meta.url)), 'echo.mjs')

/** Enough for a few hundred full-sized segments, or a few dozen super-frames. */
export const exchangeBytes = 2 << 20

/** Starts an echo on port 7 of a namespace. */
export async function serveEcho(server: Namespace): Promise<void> {
  await says(server.spawn(process.execPath, peer, 'serve', '7'), /listening/)
}

/** Sends random bytes to an echo on port 7 and fails unless exactly they come back. */
export async function exchange(client: Namespace, address: string, bytes = exchangeBytes): Promise<void> {
  await client.exec([process.execPath, peer, 'send', '7', address, String(bytes)])
}
