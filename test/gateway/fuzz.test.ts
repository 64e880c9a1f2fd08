/**
 * Whatever guests and the world send through a gateway: nothing is thrown, every frame is accounted for and every slot comes home, the
 * tables agree with what they count, nothing inside shows outside, and a checksum that was right is right where the packet leaves.
 */
import { expect, it } from 'vitest'
import * as program from '../../src/pipeline/program.ts'
import { House, int32, OUTSIDE, type Settings } from '../lab/house.ts'
import { Random } from '../lab/random.ts'
import { Ruling } from '../lab/ruling.ts'
import { Siege } from '../lab/siege.ts'

const FRAMES = 35_000
const RULED = 15_000
const AUDIT = 2500
/** frames between two rulesets */
const TERM = 250
const MUTUAL = '198.51.100.44'

/** Ports published in all the ways that there are. */
const redirects: NonNullable<Settings['redirects']> = [
  { protocol: 17, first: 8000, last: 8002, to: int32('10.0.0.11'), toFirst: 5000 },
  { protocol: 6, first: 8000, last: 8002, to: int32('10.0.0.12'), toFirst: 5000 },
  { protocol: 17, first: 8003, last: 8003, to: int32('10.0.0.13'), toFirst: 5003, masquerade: true },
  { protocol: 0, address: int32(MUTUAL), to: int32('10.0.0.14'), mutual: true },
]
const expiring = { tcpEstablished: 300_000, tcpSynSent: 20_000 }

const independent = { mapping: program.ENDPOINT_INDEPENDENT, filtering: program.ENDPOINT_INDEPENDENT }
const dependent = { mapping: program.ADDRESS_AND_PORT_DEPENDENT, filtering: program.ADDRESS_DEPENDENT }
const narrow = { ...independent, uplinkMtu: 576, flows: 512, bindings: 64 }
const few = { ...dependent, first: 5000, last: 5039, flows: 192, bindings: 512 }

/** A house under siege; the seed of a failure is told. */
function besiege(settings: Settings, siege: (house: House, random: Random) => void): void {
  const random = new Random(Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)))
  const house = new House({ ...settings, redirects, timeouts: expiring, frames: 640 })
  try {
    siege(house, random)
  } catch (error) {
    throw new Error(`seed ${random.seed} (SEED=… brings it back)`, { cause: error })
  } finally {
    house.close()
  }
}

/** As many frames as `count`; `term` is called now and then. */
function storm(siege: Siege, count: number, term: () => void): void {
  for (let given = 0, audited = 0, ruled = 0; given < count; ) {
    siege.pass()
    given += siege.give()
    siege.settle()
    if (given >= ruled + TERM) {
      ruled = given
      term()
    }
    if (given < audited + AUDIT) continue
    siege.audit()
    audited = given
  }
  siege.finish()
}

const houses: [string, Settings][] = [
  ['of the usual kind', { flows: 512, bindings: 512 }],
  ['open to everybody, with a narrow way out', narrow],
  ['with few ports and flows, and by destination', few],
]

it.each(houses)('a gateway %s stands it', (_, settings) => {
  besiege(settings, (house, random) => {
    const siege = new Siege(house, random, { names: [OUTSIDE, MUTUAL], isBridged: false })
    storm(siege, FRAMES, () => {})
    // It was not merely refused: most of what was right got through, offloads among it.
    expect(siege.seen.size).toBeGreaterThan(siege.right.size / 3)
    expect(siege.partial).toBeGreaterThan(FRAMES / 100)
    expect(Object.keys(house.drops()).length).toBeGreaterThan(15)
  })
})

const ruled: [string, Settings][] = [
  ['of the usual kind', { flows: 512, bindings: 512 }],
  ['whose guests are ruled among themselves, with a narrow way out', { ...narrow, filterBridged: true }],
  ['with few ports and flows', few],
]

it.each(ruled)('a gateway %s stands it with any rules, that change', (_, settings) => {
  besiege(settings, (house, random) => {
    const ruling = new Ruling(random, [house])
    const law = { names: null, isBridged: settings.filterBridged === true }
    const siege = new Siege(house, random, law)
    ruling.next()
    storm(siege, RULED, () => ruling.next())
    expect(ruling.count).toBeGreaterThan(RULED / TERM / 4)
    expect(siege.seen.size).toBeGreaterThan(siege.right.size / 20)
    const drops = house.drops()
    expect(drops.rule_dropped).toBeGreaterThan(RULED / 100)
    expect(drops.rule_rejected).toBeGreaterThan(0)
    expect(Object.keys(drops).length).toBeGreaterThan(15)
  })
})
