/**
 * `embedding.mjs WAY`: a program with a switch of two workers that ends it one way or another, and never calls process.exit.
 *
 * Plain JavaScript, because Node 20 runs it as it is.
 */
import { configure, Switch } from '../../dist/index.js'

const way = process.argv[2]
const gone = { network: 'lab', type: 'tap', netns: 'no-such-namespace', ifname: 'eth0' }
const configuration = configure({
  workers: 2,
  socket: `/tmp/bridgeport-embedding-${process.pid}.sock`,
  networks: { lab: { mode: 'internal' } },
  ports: {
    a: { network: 'lab', type: 'memory' },
    b: { network: 'lab', type: 'memory' },
    ...(way === 'refused' ? { gone } : {}),
  },
})
const log = { info() {}, warn() {} }

try {
  const fabric = await Switch.start(configuration, log)
  const frame = Uint8Array.of(255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0)
  const b = fabric.memory('b')
  await new Promise((resolve) => {
    b.onframes = resolve
    b.listen()
    fabric.memory('a').send(frame)
  })
  console.log('carried')
  if (way === 'close') await fabric.close()
  else fabric.closeNow()
} catch (error) {
  console.log(way === 'refused' ? 'refused' : error.message)
}
