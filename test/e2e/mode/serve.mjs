/**
 * A machine that everybody may talk to: `serve.mjs NAME` listens on the ports FIRST to LAST, says to whoever comes its name and the address
 * that it sees, and hangs up. It prints its pid once it listens, by which others find its namespace.
 *
 * Plain JavaScript, because Node 20 runs it as it is.
 */
import { createServer } from 'node:net'

const [name, first, last] = process.argv.slice(2)

const listening = []
for (let port = Number(first); port <= Number(last); port++) {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(`${name} ${socket.remoteAddress}\n`)
  })
  listening.push(new Promise((resolve) => server.listen(port, '0.0.0.0', resolve)))
}
await Promise.all(listening)
process.stdout.write(`pid ${process.pid}\n`)
