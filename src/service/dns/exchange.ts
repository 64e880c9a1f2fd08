/** One question to one name server: UDP from a random port, TCP where the answer does not fit (RFC 7766). */
import { randomInt } from 'node:crypto'
import * as dgram from 'node:dgram'
import * as net from 'node:net'
import type { Message } from './message.ts'
import * as dns from './message.ts'
import type { Server } from './server.ts'

/** Ends what is under way when the forwarder closes. */
export type Abort = AbortSignal

/** A reply to exactly this question, or an Error: no answer in time, nobody there. */
export function udp(server: Server, bytes: Uint8Array, timeoutMs: number, abort: Abort): Promise<Message> {
  const query = dns.parse(bytes)!
  // A socket for each question: the kernel picks the port at random, which an outsider would have to guess (RFC 5452).
  const socket = dgram.createSocket(net.isIPv6(server.address) ? 'udp6' : 'udp4')
  return new Promise<Message>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(why))
    const timer = setTimeout(() => fail('no answer'), timeoutMs)
    const stop = () => fail('closed')
    abort.addEventListener('abort', stop)
    socket.on('close', () => {
      clearTimeout(timer)
      abort.removeEventListener('abort', stop)
    })
    socket.on('error', reject)
    socket.on('message', (reply) => {
      const message = dns.parse(reply)
      // What is not an answer to this question is nobody's: the true one may still come.
      if (message !== null && dns.isAnswer(message, query)) resolve(message)
    })
    // Without a callback: it would take the error of a server that cannot be reached, and say nothing of it.
    socket.on('connect', () => {
      socket.send(bytes, (error) => {
        if (error) reject(error)
      })
    })
    socket.connect(server.port, server.address)
  }).finally(() => socket.close())
}

/** The same over a connection of its own. */
export function tcp(server: Server, bytes: Uint8Array, timeoutMs: number, abort: Abort): Promise<Message> {
  const query = dns.parse(bytes)!
  const socket = net.connect({ host: server.address, port: server.port, noDelay: true })
  return new Promise<Message>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(why))
    const timer = setTimeout(() => fail('no answer'), timeoutMs)
    const stop = () => fail('closed')
    abort.addEventListener('abort', stop)
    socket.on('close', () => {
      clearTimeout(timer)
      abort.removeEventListener('abort', stop)
      fail('the server closed the connection')
    })
    socket.on('error', reject)
    socket.on('connect', () => {
      const prefixed = Buffer.alloc(2 + bytes.length)
      prefixed.writeUInt16BE(bytes.length)
      prefixed.set(bytes, 2)
      socket.write(prefixed)
    })
    let received = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE()) return
      const message = dns.parse(Uint8Array.prototype.slice.call(received, 2, 2 + received.readUInt16BE()))
      if (message !== null && dns.isAnswer(message, query)) resolve(message)
      else fail('not an answer to the question')
    })
  }).finally(() => socket.destroy())
}

/** An id that cannot be guessed. */
export function id(): number {
  return randomInt(0x10000)
}
