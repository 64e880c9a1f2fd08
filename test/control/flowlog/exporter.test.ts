/** The way to a collector, on sockets of this machine: one that is there, is gone, and is there again. */
import { createSocket, type Socket } from 'node:dgram'
import { afterEach, expect, it } from 'vitest'
import { Exporter } from '../../../src/control/flowlog/exporter.ts'
import { BEGIN } from '../../../src/table/chronicle.ts'
import { WORDS } from '../../../src/table/flow.ts'
import { cleanup, defer } from '../../lab/cleanup.ts'
import { eventually } from '../../lab/command.ts'

afterEach(cleanup)

const OPTIONS_SET = 3

/** A collector's socket, on a port of its own unless one is given, and what came to it. */
async function listen(port = 0): Promise<{ socket: Socket; port: number; came: Buffer[] }> {
  const socket = createSocket('udp4')
  const came: Buffer[] = []
  socket.on('message', (message) => came.push(message))
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve))
  return { socket, port: socket.address().port, came }
}

function stand(port: number, host = '127.0.0.1') {
  const clock = { ms: 0 }
  const told: string[] = []
  const hear = (_: object, message: string) => void told.push(message)
  const exporter = new Exporter({ host, port }, 1, { info: hear, warn: hear }, () => clock.ms)
  const words = new Int32Array(WORDS)
  /** One message with an event, and templates if a minute has passed. */
  const look = () => {
    exporter.introduce(new Map([[1, 'lan']]))
    const event = { kind: BEGIN, timeMs: 1, beganMs: 1, lastMs: 1, words }
    exporter.add({ event, ingress: 1, egress: 2, isOutside: false })
    exporter.flush()
  }
  return { clock, told, exporter, look }
}

it('sends templates first and once a minute, and leaves nothing behind', async () => {
  const { socket, port, came } = await listen()
  const { clock, told, exporter, look } = stand(port)
  for (const ms of [0, 100, 59_999, 60_000, 60_100]) {
    clock.ms = ms
    look()
  }
  await exporter.end()
  await eventually('every message', () => came.length === 5)
  const isSaid = came.map((message) => message.includes(Buffer.from('lan')))
  expect(isSaid).toEqual([true, false, false, true, false])
  expect(came.map((message) => message.readUInt16BE(16) < OPTIONS_SET)).toEqual(isSaid)
  expect([told, exporter.lost]).toEqual([[], 0])
  socket.close()
})

it('says once that the collector refuses, counts what it did not get, and says when it takes again', async () => {
  const { socket, port } = await listen()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  const { clock, told, exporter, look } = stand(port)
  for (let count = 1; count <= 5; count++) {
    look()
    await eventually('the refusal', () => exporter.lost === count)
    clock.ms += 500
  }
  expect(told).toEqual([expect.stringMatching(/do not leave for the collector: it refuses them/)])
  const { socket: another, came } = await listen(port)
  defer(() => void another.close())
  clock.ms += 500
  look()
  await eventually('a message', () => came.length === 1)
  expect(came[0].includes(Buffer.from('lan'))).toBe(true)
  expect(told).toHaveLength(1)
  clock.ms += 1000
  look()
  await eventually('it is told', () => told.length === 2)
  expect(told[1]).toBe('flows leave for the collector again')
  expect([came.length, exporter.lost]).toEqual([2, 5])
  await exporter.end()
})

it.each([
  ['255.255.255.255', 'connect EACCES 255.255.255.255:9'],
  ['x'.repeat(64), 'getaddrinfo'], // no name, so nobody is asked
])('tells of %s, which cannot be sent to, and ends all the same', async (host, why) => {
  const { told, exporter, look } = stand(9, host)
  look()
  look()
  await exporter.end()
  expect(told).toEqual([expect.stringContaining(`flows do not leave for the collector: ${why}`)])
  expect(exporter.lost).toBe(2)
})

it('finds a collector by its name', async () => {
  const { socket, port, came } = await listen()
  const { exporter, look, told } = stand(port, 'localhost')
  look()
  await exporter.end()
  await eventually('a message', () => came.length === 1)
  expect(told).toEqual([])
  socket.close()
})
