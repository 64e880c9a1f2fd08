/** A million states of rings, most of which no driver would make. */
import { expect, it } from 'vitest'
import { Random } from '../lab/random.ts'
import { Ordeal } from '../lab/virtio/ordeal.ts'

const STATES = 1_000_000
/** What random rings can do; memory that vanishes and messages have tests of their own. */
const FOUND = [
  'avail_jump',
  'head_range',
  'next_range',
  'chain_loop',
  'chain_direction',
  'address_range',
  'indirect_size',
  'indirect_nested',
  'chain_short',
]

it('a million states of rings', () => {
  const random = new Random(Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)))
  const ordeal = new Ordeal(random)
  try {
    while (ordeal.states < STATES) ordeal.step()
  } catch (error) {
    const why = `state ${ordeal.states} of seed ${random.seed} (SEED=${random.seed} brings it back)`
    throw new Error(why, { cause: error })
  }
  ordeal.close()
  console.log(
    `seed ${random.seed}: ${ordeal.states} states, ${ordeal.frames} frames, ${JSON.stringify([...ordeal.faults])}`,
  )
  expect([...ordeal.faults.keys()].sort()).toEqual(FOUND.sort())
  expect(ordeal.frames).toBeGreaterThan(STATES / 4)
}, 240_000)
