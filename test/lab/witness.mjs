/**
 * `witness.mjs IFNAME FILTER`: reports what arrives as `frame HEX`, takes one JSON order a line on stdin and answers `done`.
 *
 * Plain JavaScript, because Node 20 runs it as it is.
 */
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

const { Cap } = createRequire(import.meta.url)('cap')

const [ifname, filter] = process.argv.slice(2)

/** Frames between two pauses: half of the 1,000 frames that a Linux device queues. */
const batch = 500

/** Capture buffer: libpcap reserves a slot of 64 KiB for every frame, so this holds a burst of 512. */
const captureBytes = 32 << 20

const buffer = Buffer.alloc(65535 + 18)
const cap = new Cap()
cap.open(ifname, filter, captureBytes, buffer)
cap.setMinBytes?.(0)
cap.on('packet', (length) => process.stdout.write(`frame ${buffer.toString('hex', 0, length)}\n`))

async function inject({ frame, count, step, paceMs }) {
  const bytes = Buffer.from(frame, 'hex')
  for (let number = 1; number <= count; number++) {
    if (step > 0) bytes.writeUInt32BE(number, 8)
    cap.send(bytes, bytes.length)
    if (paceMs > 0 && number % batch === 0) await pause(paceMs)
  }
}

process.stdout.write('ready\n')
for await (const line of createInterface({ input: process.stdin })) {
  await inject(JSON.parse(line))
  process.stdout.write('done\n')
}
