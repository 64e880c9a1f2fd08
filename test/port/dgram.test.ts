/** A queue over datagrams: only the peer's socket counts. */
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { DROPS, rowOf } from '../../src/memory/counters.ts'
import { native } from '../../src/memory/native.ts'
import { FOREIGN_SENDER } from '../../src/pipeline/reason.ts'
import { bind, remove } from '../../src/port/channel.ts'
import { DgramQueue } from '../../src/port/dgram.ts'
import { cleanup } from '../lab/cleanup.ts'
import { must } from '../lab/command.ts'
import { Desk } from '../lab/desk.ts'
import { folder } from '../lab/folder.ts'
import { numbered, numberOf } from '../lab/frame.ts'
import { suite } from '../lab/peer.ts'

const [ENOENT, EAGAIN, ECONNREFUSED] = [2, 11, 111]
const desk = new Desk()
const row = rowOf(3)
const frame = (number: number, length = 60) =>
  numbered('02:00:00:00:00:02', '02:00:00:00:00:01', number, length)

suite('datagrams', ['python3'], () => {
  const at = folder('dgram')
  const own = join(at, 'own.sock')
  const peer = join(at, 'peer.sock')
  let queue: DgramQueue
  let here = -1
  const open: number[] = []
  beforeEach(() => {
    here = bind(own, 0o600, -1)
    queue = new DgramQueue(desk.arena, desk.counters, row, here, peer)
    desk.counters.fill(0)
  })
  afterEach(() => {
    queue.close()
    for (const fd of [here, ...open.splice(0)]) native.descriptorClose(fd)
    for (const path of [own, peer]) remove(path)
  })
  afterAll(cleanup)

  function listen(path: string): number {
    const fd = bind(path, 0o600, -1)
    open.push(fd)
    return fd
  }
  const numbers = () => {
    const got = desk.receive(queue)
    return typeof got === 'number' ? got : got.map((each) => numberOf(each.frame))
  }
  /** Sends frames from a socket that is bound to `path`, or to nothing. */
  async function send(path: string, ...frames: Uint8Array[]): Promise<void> {
    const program = `
import os, socket, sys
at = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if sys.argv[2]:
    at.bind(sys.argv[2])
for text in sys.argv[3:]:
    at.sendto(bytes.fromhex(text), sys.argv[1])
if sys.argv[2]:
    os.unlink(sys.argv[2])`
    await must([
      'python3',
      '-c',
      program,
      own,
      path,
      ...frames.map((each) => Buffer.from(each).toString('hex')),
    ])
  }

  it('the peer is heard, nobody else', async () => {
    await send(peer, frame(1), frame(2, 1514))
    await send(join(at, 'other.sock'), frame(3))
    await send('', frame(4))
    await send(peer, frame(5))
    const got = desk.receive(queue)
    expect(got).toEqual(
      [1, 2, 5].map((n) => ({ frame: frame(n, n === 2 ? 1514 : 60), vnet: new Uint8Array(10) })),
    )
    expect(desk.counters[row + DROPS + FOREIGN_SENDER]).toBe(2)
    expect([numbers(), desk.pool.free]).toEqual([[], 128])
  })

  it('a peer may come, go and come again', () => {
    expect(desk.transmit(queue, frame(1), frame(2))).toEqual({ taken: 0, errors: [ENOENT, ENOENT] })
    const first = listen(peer)
    expect(desk.transmit(queue, frame(1), frame(2, 65_000))).toEqual({ taken: 2, errors: [0, 0] })
    expect(native.unixReceive(first, 1 << 17)?.bytes.length).toBe(60)
    expect(native.unixReceive(first, 1 << 17)?.bytes.length).toBe(65_000)
    native.descriptorClose(open.pop() ?? -1)
    expect(desk.transmit(queue, frame(1))).toEqual({ taken: 0, errors: [ECONNREFUSED] })
    listen(peer)
    expect(desk.transmit(queue, frame(1)).taken).toBe(1)
  })

  it('a peer that does not read costs what the kernel queues', () => {
    listen(peer)
    const { taken, errors } = desk.transmit(queue, frame(1), frame(2), frame(3))
    expect([taken, errors]).toEqual([3, [0, 0, 0]])
    let count = 3
    for (let sent = 1; sent > 0; count += sent) sent = desk.transmit(queue, frame(4)).taken
    expect(desk.transmit(queue, frame(5), frame(6))).toEqual({ taken: 0, errors: [EAGAIN, EAGAIN] })
    expect(count).toBeLessThan(5000)
  })
})
