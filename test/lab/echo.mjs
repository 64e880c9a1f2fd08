/**
 * The two ends of exchange.ts, for a process inside a namespace: `echo.mjs serve PORT` or `echo.mjs send PORT ADDRESS BYTES`.
 *
 * Plain JavaScript, because Node 20 runs it as it is.
 */
import { createHash, randomBytes } from 'node:crypto'
import { connect, createServer } from 'node:net'

const [role, port, address, bytes] = process.argv.slice(2)

function serve() {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  server.listen(Number(port), '::', () => process.stdout.write('listening\n'))
}

function send() {
  const sent = randomBytes(Number(bytes))
  const received = createHash('sha256')
  let count = 0
  const socket = connect({ port: Number(port), host: address, allowHalfOpen: true })
  socket.on('connect', () => socket.end(sent))
  socket.on('data', (chunk) => {
    received.update(chunk)
    count += chunk.length
  })
  socket.on('error', (error) => fail(error.message))
  socket.on('end', () => {
    if (count !== sent.length) fail(`sent ${sent.length} bytes, received ${count}`)
    else if (received.digest('hex') !== createHash('sha256').update(sent).digest('hex'))
      fail('received other bytes')
  })
}

function fail(reason) {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

if (role === 'serve') serve()
else send()
