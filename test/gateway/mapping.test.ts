/** Mapping and filtering against plain maps, for all nine pairs of behaviours; and what a writer finds that comes after another. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Nat } from '../../src/gateway/nat.ts'
import { REFERENCES, WORDS } from '../../src/table/binding.ts'
import { FlowTable } from '../../src/table/flow.ts'
import { House, int32, OUTSIDE } from '../lab/house.ts'
import { query, read, udp } from '../lab/transport.ts'

/** By their numbers: endpoint-independent 0, address-dependent 1, address- and port-dependent 2. */
const pairs = [0, 1, 2].flatMap((mapping) => [0, 1, 2].map((filtering) => [mapping, filtering] as const))
const servers = ['203.0.113.9', '203.0.113.10']
const LIFE = 300_000

const step = fc.record({
  do: fc.constantFrom('out', 'out', 'out', 'in', 'in', 'pass'),
  guest: fc.nat(3),
  port: fc.constantFrom(5000, 5001),
  server: fc.constantFrom(...servers),
  peer: fc.constantFrom(53, 54),
  /** which of the endpoints in use a packet from outside goes to */
  choice: fc.nat(20),
  ms: fc.constantFrom(1000, 100_000, 299_000),
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Live {
  key: string
  out: string
  inside: string
  guest: number
  server: string
  peer: number
  until: number
}

/** The flows that must be alive, and what follows from them. */
class Model {
  flows: Live[] = []
  readonly mapping: number
  readonly filtering: number

  constructor(mapping: number, filtering: number) {
    this.mapping = mapping
    this.filtering = filtering
  }

  key({ guest, port, server, peer }: Step): string {
    return [guest, port, server, peer].slice(0, 2 + this.mapping).join()
  }

  admits(to: Live, server: string, peer: number): boolean {
    const same = this.flows.filter(({ inside }) => inside === to.inside)
    // Towards one outside endpoint an inside endpoint has one name: its answers could not be told apart.
    if (same.some((flow) => flow.out !== to.out && flow.server === server && flow.peer === peer)) return false
    if (same.some((flow) => flow.out === to.out && flow.server === server && flow.peer === peer)) return true
    if (this.filtering === 0) return true
    if (this.filtering === 2) return false
    const asked = this.mapping === 0 ? same : same.filter((flow) => flow.out === to.out)
    return asked.some((flow) => flow.server === server)
  }
}

function run(house: House, model: Model, step: Step): void {
  const { guest, port, server, peer } = step
  if (step.do === 'pass') {
    house.rig.time += step.ms
    // What is over by now may be gone or not; what is not over is there.
    for (const flow of model.flows) flow.until -= step.ms
    const ended = model.flows.some(({ until }) => until <= 0)
    model.flows = model.flows.filter(({ until }) => until > 0)
    if (ended) for (let round = 0; round < 64; round++) house.rig.time += 1
    for (const flow of model.flows) flow.until -= ended ? 64 : 0
    return
  }
  const inside = `10.0.0.${11 + guest}:${port}`
  if (step.do === 'out') {
    house.guest(guest, udp(inside, `${server}:${peer}`))
    const out = read(house.atOutside()[0].packet).from
    const isOdd = Number(out.split(':')[1]) % 2
    expect(isOdd).toBe(port % 2)
    const key = model.key(step)
    // Who was let in is answered by the name that he called.
    const known = model.flows.find(
      (flow) => flow.inside === inside && flow.server === server && flow.peer === peer,
    )
    const mine = known ?? model.flows.find((flow) => flow.key === key)
    if (mine) expect(out).toBe(mine.out)
    else expect(model.flows.map((flow) => flow.out)).not.toContain(out)
    if (known) known.until = LIFE
    else model.flows.push({ key, out, inside, guest, server, peer, until: LIFE })
    return
  }
  const to = model.flows[step.choice]
  if (to === undefined) return
  house.outside(udp(`${server}:${peer}`, to.out))
  const got = [0, 1, 2, 3].map((number) => house.atGuest(number).map(({ packet }) => read(packet).to))
  const isLet = model.admits(to, server, peer)
  expect(got).toEqual([0, 1, 2, 3].map((number) => (isLet && number === to.guest ? [to.inside] : [])))
  if (!isLet) return
  const known = model.flows.find(
    (flow) => flow.out === to.out && flow.server === server && flow.peer === peer,
  )
  if (known) known.until = LIFE
  else model.flows.push({ ...to, server, peer, until: LIFE })
}

it.each(pairs)(
  'maps by %i and filters by %i as plain maps do',
  (mapping, filtering) => {
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const house = new House({ mapping, filtering })
      try {
        const model = new Model(mapping, filtering)
        for (const each of steps) run(house, model, each)
        // When all is over nothing is held any more.
        house.rig.time += LIFE + 1
        for (let round = 0; round < 64; round++) house.rig.time += 1
        expect(house.parts.flows.count).toBe(0)
        expect(house.parts.nat.bindings.count).toBe(0)
      } finally {
        house.close()
      }
    })
    fc.assert(property, { numRuns: 60 })
  },
  60_000,
)

it.each([0, 1])('goes on where another writer left off, filter %i', (filtering) => {
  const house = new House({ filtering })
  try {
    for (const number of [0, 1, 2, 3])
      for (const server of servers) {
        house.guest(number, udp(`10.0.0.${11 + number}:5000`, `${server}:53`))
        house.guest(number, query(`10.0.0.${11 + number}:5000`, `${server}:0`))
      }
    house.guest(0, udp('10.0.0.11:6000', `${OUTSIDE}:5000`))
    house.atOutside()
    const { rig, parts, memory } = house
    const uplink = parts.links.list.find(({ address }) => address === int32(OUTSIDE))!
    const before = parts.nat.endpointsInUse(uplink.port.index)
    const counts = () => {
      const { bindings } = nat
      return Array.from({ length: bindings.high }, (_, b) => bindings.words[b * WORDS + REFERENCES])
    }
    const expected = Array.from(
      { length: parts.nat.bindings.high },
      (_, b) => parts.nat.bindings.words[b * WORDS + REFERENCES],
    )
    // A mapping that no flow holds yet: its writer died in between.
    parts.nat.bindings.create(1, 1, (1 << 16) | 1, 0, (17 << 8) | 1, uplink.address)
    const flows = new FlowTable(rig.arena, memory.flowsAt, memory.flowCapacity)
    const nat = new Nat(rig.arena, flows, memory.bindingsAt, memory.bindingCapacity)
    nat.setRedirects([], parts.links)
    expect(nat.endpointsInUse(uplink.port.index)).toEqual(before)
    expect(counts().slice(0, expected.length)).toEqual(expected)
    expect(nat.bindings.count).toBe(expected.filter((count) => count > 0).length)
    flows.holder = nat
    for (let flow = 1; flow <= flows.high; flow++) if (flows.isLive(flow)) flows.remove(flow)
    expect([nat.endpointsInUse(uplink.port.index).used, nat.bindings.count]).toEqual([0, 0])
  } finally {
    house.close()
  }
})

it('leaves endpoints for others when one guest wants them all', () => {
  const house = new House({ flows: 65_536, bindings: 65_536 })
  let got = 0
  for (let port = 1024; port < 42_000; port++) {
    house.guest(0, udp(`10.0.0.11:${port}`, '203.0.113.9:53'))
    got += house.atOutside().length
  }
  expect(got).toBeGreaterThan(30_000)
  expect(house.drops().nat_exhausted).toBe(42_000 - 1024 - got)
  house.guest(1, udp('10.0.0.12:1024', '203.0.113.9:53'))
  expect(house.atOutside().length).toBe(1)
  house.close()
})
