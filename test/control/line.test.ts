/** Ports that are sockets, of a switch in this process: who comes, who goes, and what is left. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Switch } from '../../src/index.ts'
import { configure } from '../../src/index.ts'
import { native } from '../../src/memory/native.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { during, plan, receive } from '../lab/fabric.ts'
import { folder } from '../lab/folder.ts'
import { broadcast, join as concat, numbered, station, u32 } from '../lab/frame.ts'

const framed = (bytes: Uint8Array) => concat(u32(bytes.length), bytes)
const row = (fabric: Switch, name: string) => fabric.ports().find((port) => port.name === name)!
const isUp = (fabric: Switch, name: string) => () => row(fabric, name).state === 'up'
const descriptors = () => readdirSync('/proc/self/fd').length

describe('lines', () => {
  const at = folder('line')
  const path = join(at, 's.sock')
  const s = { network: 'lab', type: 'stream' as const, path }
  const d = { network: 'lab', type: 'dgram' as const, path: join(at, 'd.sock'), peer: join(at, 'p.sock') }
  afterAll(cleanup)

  it('a peer that goes takes its MACs along; the next one has the port', () =>
    during(plan('a', { ports: { s } }), async (fabric) => {
      const a = fabric.memory('a')
      expect(row(fabric, 's')).toMatchObject({ state: 'waiting', reason: 'no peer is connected' })
      for (let turn = 1; turn <= 3; turn++) {
        const peer = native.unixConnect(path)
        native.unixSend(peer, framed(numbered(broadcast, station(turn), turn)), [])
        await receive(a, 1)
        expect(fabric.macs().map(({ port }) => port)).toEqual(['s'])
        a.send(numbered(station(turn), station(9), 7))
        const got = await eventually('the answer', () => native.unixReceive(peer, 2000))
        expect(got?.bytes.equals(framed(numbered(station(turn), station(9), 7)))).toBe(true)
        native.descriptorClose(peer)
        await eventually('the port waits', () => row(fabric, 's').state === 'waiting')
        // The workers let go of the port after it is said to wait.
        await eventually('its MACs are forgotten', () => fabric.macs().every(({ port }) => port === 'a'))
        expect(fabric.macs()).toHaveLength(1)
        await fabric.flushMacs()
      }
      expect(row(fabric, 's')).toMatchObject({ rxFrames: 3, txFrames: 3 })
    }))

  it('with several workers, too', () =>
    during(plan('ab', { workers: 3, ports: { s, d } }), async (fabric) => {
      const peer = native.unixConnect(path)
      await eventually('the peer', isUp(fabric, 's'))
      for (let number = 1; number <= 100; number++) {
        native.unixSend(peer, framed(numbered(broadcast, station(1), number)), [])
        for (const name of ['a', 'b']) await receive(fabric.memory(name), 1)
      }
      native.descriptorClose(peer)
      await eventually('the port waits', () => row(fabric, 's').state === 'waiting')
    }))

  it('a change that is refused leaves connections alone', () =>
    during(plan('a', { ports: { s } }), async (fabric) => {
      const peer = native.unixConnect(path)
      await eventually('the peer', isUp(fabric, 's'))
      const lost = { ...s, path: join(at, 'no/such/folder/x.sock') }
      await expect(fabric.apply(configure(plan('a', { ports: { s, lost } })))).rejects.toThrow(/no folder/)
      await expect(fabric.apply(configure(plan('a', { ports: { other: s, lost } })))).rejects.toThrow(
        /no folder/,
      )
      // That port had to give its path up for the other one: it made it again, and its peer has to come again.
      native.descriptorClose(peer)
      const next = native.unixConnect(path)
      await eventually('the next peer', isUp(fabric, 's'))
      native.descriptorClose(next)
    }))

  it('an end with peers connected leaves nothing behind', async () => {
    await during(plan('a'), async () => {})
    const before = descriptors()
    const peers: number[] = []
    for (let turn = 0; turn < 3; turn++) {
      await during(plan('a', { ports: { s, d } }), async (fabric) => {
        peers.push(native.unixConnect(path), native.unixConnect(path))
        // Every other time nobody was accepted yet.
        if (turn % 2 === 0) await eventually('the peer', isUp(fabric, 's'))
      })
      expect([existsSync(path), existsSync(d.path)]).toEqual([false, false])
    }
    for (const fd of peers) native.descriptorClose(fd)
    expect(descriptors()).toBeLessThanOrEqual(before)
  })
})
