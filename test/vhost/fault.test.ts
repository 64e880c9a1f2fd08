/** What no driver may do: the fault has its name, the queue serves nothing any more, and no frame is lost in the pool. */
import { afterEach, describe, expect, it } from 'vitest'
import { FAULTS } from '../../src/vhost/fault.ts'
import { numbered, station } from '../lab/frame.ts'
import { Berth } from '../lab/virtio/berth.ts'
import { type Crime, crimes, SIZE, short, spans } from '../lab/virtio/crime.ts'
import * as feature from '../lab/virtio/feature.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { type Lane, Pair } from '../lab/virtio/pair.ts'
import { WRITE } from '../lab/virtio/ring.ts'

const frame = numbered(station(2), station(1), 1)

describe.each([
  ['mergeable', feature.VERSION_1 | feature.MRG_RXBUF | feature.INDIRECT_DESC],
  ['big buffers', feature.VERSION_1 | feature.INDIRECT_DESC],
])('%s: a ring with', (_, features) => {
  let pair: Pair
  let berth: Berth

  function open(): void {
    pair = new Pair(new Memory(spans), { features, size: SIZE })
    berth = new Berth(pair)
  }
  afterEach(() => {
    berth.unseat()
    pair.memory.close()
  })

  function commit(lane: Lane, crime: Crime, way: number): void {
    crime.commit(lane.ring, way, pair.memory)
    lane.ring.next &= 0xffff
    lane.ring.publish()
  }

  /** The queue is out of order until it is seated upon other rings. */
  function expectFault(name: string): void {
    expect(FAULTS[berth.queue.fault]?.name).toBe(name)
    expect(berth.whole).toBe(true)
    expect(berth.transmit(frame).taken).toBe(0)
    pair = new Pair(pair.memory, { features, size: SIZE })
    const next = new Berth(pair)
    berth.unseat()
    berth = next
    pair.fill(1)
    pair.send(frame)
    expect(berth.receive()).toMatchObject([{ frame }])
    expect(berth.transmit(frame).taken).toBe(1)
  }

  it.each([...crimes, ...short])('$what, transmitted: $fault', (crime) => {
    open()
    commit(pair.transmitter, crime, 0)
    expect(() => berth.receive()).toThrow(/fault/)
    expectFault(crime.fault)
  })

  it.each(crimes)('$what, received into: $fault', (crime) => {
    open()
    commit(pair.receiver, crime, WRITE)
    expect(berth.transmit(frame).taken).toBe(0)
    expectFault(crime.fault)
  })

  it.each(crimes)('$what, behind good frames: $fault', (crime) => {
    open()
    pair.transmitter.ring.hold(4)
    pair.send(frame, frame)
    commit(pair.transmitter, crime, 0)
    expect(() => berth.drain()).toThrow(/fault/)
    expectFault(crime.fault)
  })
})
