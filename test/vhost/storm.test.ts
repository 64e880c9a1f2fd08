/** A hundred thousand sequences of messages that mean harm: nothing is thrown, workers are only ever told of what is there, and nothing is left behind. */
import { closeSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { FrontProgram, RingProgram } from '../../src/vhost/front.ts'
import * as message from '../../src/vhost/message.ts'
import { isDoorbell } from '../../src/vhost/virtqueue.ts'
import { Random } from '../lab/random.ts'
import { Memory } from '../lab/virtio/memory.ts'
import { holdings, Stage } from '../lab/virtio/stage.ts'
import { compose, sequence } from '../lab/virtio/storm.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const SEQUENCES = Number(process.env.SEQUENCES ?? 100_000)
/** After so many, what is held is counted: reading /proc costs more than a sequence does. */
const ROUND = 500

/** Where doorbells are looked at, which costs as much as a message: in one sequence of so many. */
const LOOK = 8

/** What is wrong with what workers are told. */
function wrong(front: FrontProgram | null, isLook: boolean): string {
  if (front === null) return ''
  if (front.table < 0) return 'no table'
  if (front.pairs.length !== 2) return `${front.pairs.length} pairs`
  const rings = front.pairs.flatMap(({ receive, transmit }) => [receive, transmit])
  if (rings.every((ring) => ring === null)) return 'no ring'
  return rings.map((ring) => (ring === null ? '' : misring(ring, isLook))).join('')
}

function misring({ size, descriptors, avail, used, base, kick, call }: RingProgram, isLook: boolean): string {
  if (size < 1 || size > 32768 || (size & (size - 1)) !== 0) return `${size} entries`
  if (descriptors % 16n !== 0n || avail % 2n !== 0n || used % 4n !== 0n) return 'at an odd place'
  if (base < 0 || base > 65535 || !Number.isInteger(base)) return `from ${base}`
  const isWrong = isLook && [kick, call].some((fd) => fd !== -1 && !isDoorbell(fd))
  return isWrong ? 'a doorbell that is none' : ''
}

it(`${SEQUENCES} sequences, seed ${seed}`, { timeout: 300_000 }, async () => {
  const memory = new Memory([
    { guest: 0n, length: 2 ** 21 },
    { guest: 0x1_0000_0000n, length: 2 ** 21, offset: 4096 },
  ])
  const count = { messages: 0, faults: 0, bent: 0, seats: 0, running: 0 }
  const stage = new Stage({}, memory)
  const before = holdings()
  for (let number = 0; number < SEQUENCES; number++) {
    // Each sequence has a seed of its own: SEED and the number bring it back.
    const random = new Random(seed + number)
    const on = stage.another()
    const said: string[] = []
    let bad = ''
    on.watch = (front) => {
      bad ||= wrong(front, number % LOOK === 0)
    }
    try {
      const { lines, wild } = sequence(random)
      for (const [i, line] of lines.entries()) {
        const isBent = wild ? random.once(10) : i >= lines.length - 2
        const { bent, ...given } = compose(on, line, random, isBent)
        said.push(`${line} ${bent}`)
        const { answer, fds, fault } = await on.session.handle(given)
        for (const fd of fds) closeSync(fd)
        count.messages++
        if (bent !== '') count.bent++
        if (answer !== null && answer.length < message.HEADER) throw new Error('an answer without a header')
        if (bad !== '') throw new Error(bad)
        if (fault === '') continue
        count.faults++
        break
      }
      count.running += on.session.running
      await on.session.close()
      count.seats += on.fronts.length
      if ((on.fronts.at(-1) ?? null) !== null) throw new Error('workers have something left')
      if (number % ROUND === 0) expect(holdings()).toEqual(before)
    } catch (error) {
      throw new Error(`SEED=${seed}, sequence ${number}: ${said.join(', ')}`, { cause: error })
    }
  }
  expect(holdings()).toEqual(before)
  await stage.close()
  console.log(`seed ${seed}:`, JSON.stringify(count))
  expect(count.running).toBeGreaterThan(SEQUENCES / 50)
  expect(count.faults).toBeGreaterThan(SEQUENCES / 50)
})
