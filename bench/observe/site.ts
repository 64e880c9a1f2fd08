/**
 * The ground of those who look: one switch with a hundred ports, ten thousand rules and a hundred thousand connections, through two
 * ports of which frames pass as fast as they can, of TAPs or of guests.
 *
 *     a (eth0) ──┐
 *                ├── network `bench`, which the load crosses ── b (eth0)
 *     97 TAPs  ──┤
 *     a (eth1) ──┴── network `out`, behind whose gateway the connections lead nowhere
 */
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Ground } from '../compare/ground.ts'
import type { Joint } from '../compare/peer.ts'

export const counts = { ports: 100, rules: 10_000, flows: 100_000 }

/** Frames under way until `stop`. */
export interface Load {
  /** thousands that arrive a second, counted for so many seconds */
  rate(seconds: number): Promise<number>
  stop(): Promise<void>
}

export interface ObserveJoint extends Joint {
  socket: string
  /** where the page is, in namespace s */
  page: string
  load(ground: Ground): Promise<Load>
}

/** The network that the load crosses. */
export const network = 'bench'

/** What the switch answers over its socket, and the milliseconds until all of it was there. */
export function get(socket: string, path: string): Promise<{ text: string; ms: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const asked = request({ socketPath: socket, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject).on('end', () => resolve({ text, ms: performance.now() - began }))
    })
    asked.on('error', reject).end()
  })
}

/** Connections that are tracked, by what a scrape says. */
export function flows(exposition: string): number {
  const samples = exposition.matchAll(/^bridgeport_flow_entries\{.*\} (\d+)$/gm)
  return [...samples].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Behind the host, where nobody is and nothing answers. */
export const nowhere = '198.18.0.0/15'
/** Sends an empty datagram to each of so many addresses there, from one port: what is sent again is no other connection. */
const talk = `
const socket = require('node:dgram').createSocket('udp4')
const one = (n) => new Promise((sent) => socket.send('', 9, [198, 18 + (n >> 16), (n >> 8) & 255, n & 255].join('.'), sent))
const all = async (count) => {
  for (let n = 0; n < count; n += 100) await Promise.all(Array.from({ length: 100 }, (_, i) => one(n + i)))
}
socket.bind(40000, () => all(Number(process.argv[1])).then(() => socket.close()))
`
const talkMs = 30_000
/** A queue that is full for a moment loses some: those are sent again. */
const attempts = 10

/** Opens the connections, from namespace a. */
export async function connect(ground: Ground, socket: string): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const words = ['-e', talk, String(counts.flows)]
    await ground.run(process.execPath, words, { namespace: ground.a }, talkMs)
    await sleep(100, undefined, { signal: ground.signal })
    if (flows((await get(socket, '/metrics')).text) >= counts.flows) return
  }
  throw new Error(`less than ${counts.flows} connections after ${attempts} attempts`)
}
