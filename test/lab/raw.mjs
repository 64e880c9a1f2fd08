/**
 * `raw.mjs ADDRESS PROTOCOL HEX`: sends one IPv4 payload through the namespace's own stack with `raw-socket`, no fragment header, no port.
 *
 * Plain JavaScript, because Node 20 runs it as it is.
 */
import { createRequire } from 'node:module'

const raw = createRequire(import.meta.url)('raw-socket')

const [address, protocol, payload] = process.argv.slice(2)
const bytes = Buffer.from(payload, 'hex')

const socket = raw.createSocket({ protocol: Number(protocol) })
socket.send(bytes, 0, bytes.length, address, (error) => {
  process.stderr.write(error ? `${error.message}\n` : '')
  process.exit(error ? 1 : 0)
})
