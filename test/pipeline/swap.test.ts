import { expect, it } from 'vitest'
import type { PortProgram } from '../../src/pipeline/program.ts'
import { DYNAMIC, HOST, STATIC } from '../../src/table/mac.ts'
import { broadcast, numbered, station } from '../lab/frame.ts'
import { type Options, portProgram, Rig } from '../lab/rig.ts'

let number = 0
const frame = (to: string, from: string) => numbered(to, from, ++number)

/** A rig that knows station N + 1 behind port N. */
function rig(options: Options): Rig {
  const made = new Rig(options)
  for (const { index } of made.programs) made.send(index, frame(broadcast, station(index + 1)))
  made.outcome()
  return made
}

function change(lan: Rig, index: number, next: Partial<PortProgram>): void {
  lan.programs = lan.programs.map((program) => (program.index === index ? { ...program, ...next } : program))
  lan.apply()
}

const four = { ports: [{}, {}, {}, {}] }
const ports = (lan: Rig) => Object.keys(lan.outcome()).join('')

it('flushes what stood behind a port that went, static entries too, and nothing else', () => {
  const lan = rig(four)
  lan.networks[0].fixed = [{ high: 0x0200, low: 99, port: 1, kind: STATIC }]
  lan.apply()
  expect(lan.macs().count).toBe(5)
  const [first, , third] = [0, 1, 2].map((index) => lan.port(index))
  lan.programs = lan.programs.filter(({ index }) => index !== 1)
  lan.networks[0].fixed = []
  lan.apply()
  expect([lan.macs().count, lan.macs().perPort[1], lan.port(0), lan.port(2)]).toEqual([3, 0, first, third])
  lan.send(0, frame(station(2), station(1)), frame(station(3), station(1)))
  expect(Object.entries(lan.outcome()).map(([port, frames]) => [port, frames.length])).toEqual([
    ['2', 2],
    ['3', 1],
  ])
})

it('takes a port of the same number for another one', () => {
  const lan = rig(four)
  const old = lan.feed(1)
  change(lan, 1, { incarnation: 50 })
  expect(lan.feed(1)).not.toBe(old)
  lan.send(0, frame(station(2), station(1)))
  expect([ports(lan), old.sent]).toEqual(['123', []])
})

it('serves a port that is new from the next burst on', () => {
  const lan = rig(four)
  lan.programs.push(portProgram({}, 4))
  lan.apply()
  lan.send(0, frame(broadcast, station(1)))
  expect(ports(lan)).toBe('1234')
  lan.send(4, frame(station(1), station(5)))
  lan.send(0, frame(station(5), station(1)))
  expect(lan.outcome()).toMatchObject({ 0: [{}], 4: [{}] })
})

it('changes a running port between two bursts: what it learned, its counters and allowances stay', () => {
  const lan = rig({ ports: [{ floodLimit: 5 }, {}, {}] })
  const port = lan.port(0)
  const burst = () => {
    lan.send(0, ...Array.from({ length: 4 }, () => frame(broadcast, station(1))))
    return (lan.outcome()[1] ?? []).length
  }
  expect(burst()).toBe(4)
  change(lan, 0, { isolated: true, mtu: 1400 })
  expect([lan.port(0), lan.macs().count, lan.received(0)]).toEqual([port, 3, 5])
  lan.send(0, frame(station(2), station(1)))
  expect(lan.drops(0)).toEqual({ isolated: 1 })
  change(lan, 0, { isolated: false })
  expect(burst()).toBe(0)
  change(lan, 0, { floodLimit: 3 })
  expect(burst()).toBe(3)
  change(lan, 0, { floodLimit: 0 })
  expect(burst()).toBe(4)
  change(lan, 0, { guard: { high: 0x0200, low: 1, addresses: [] } })
  expect(burst()).toBe(0)
})

it('changes a network: MTU, ageing, and what is configured in its table', () => {
  const lan = rig(four)
  const entry = { high: 0x0200, low: 3, port: 0, kind: HOST }
  Object.assign(lan.networks[0], { mtu: 100, ageingMs: 2000, fixed: [entry] })
  lan.apply()
  lan.send(1, numbered(broadcast, station(2), 0, 115), numbered(broadcast, station(2), 0, 114))
  expect([ports(lan), lan.drops(1)]).toEqual(['023', { oversize: 1 }])
  // The host's MAC was learned at port 2 before; now it is the host's, at port 0, and a frame of port 2 with it is a lie.
  lan.send(1, frame(station(3), station(2)))
  lan.send(2, frame(station(2), station(3)))
  expect([ports(lan), lan.drops(2)]).toEqual(['0', { source_protected: 1 }])
  lan.networks[0].fixed = [{ ...entry, port: 3, kind: STATIC }]
  lan.apply()
  lan.send(1, frame(station(3), station(2)))
  expect(ports(lan)).toBe('3')
  lan.networks[0].fixed = []
  lan.apply()
  lan.send(1, frame(station(3), station(2)))
  expect(ports(lan)).toBe('023')
  lan.time += 2001
  lan.send(1, frame(station(1), station(2)))
  expect(ports(lan)).toBe('023')
})

it('gives configured entries a place in a full table', () => {
  const lan = new Rig({ networks: [{ macCapacity: 16 }], ports: [{}, {}] })
  for (let i = 1; i <= 20; i++) lan.send(0, frame(broadcast, station(i)))
  lan.networks[0].fixed = [0, 1, 2].map((low) => ({ high: 0x5254, low, port: 1, kind: STATIC }))
  lan.apply()
  expect([0, 1, 2].map((low) => lan.macs().port(lan.macs().find(0x5254, low)))).toEqual([1, 1, 1])
})

it('moves a network to a table of another size when it is given one', () => {
  const lan = rig(four)
  const other = new Rig({ networks: [{ macCapacity: 64 }], ports: [{}] })
  other.close()
  lan.networks = [
    { ...lan.networks[0], index: 9, macCapacity: 512, macsAt: lan.arena.allocate('mac/9', 2 ** 15).at },
  ]
  lan.programs = lan.programs.map((program) => ({ ...program, network: 9 }))
  lan.apply()
  expect([lan.macs(9).capacity, lan.macs(9).count]).toEqual([512, 0])
  lan.send(0, frame(station(2), station(1)))
  expect(ports(lan)).toBe('123')
})

it('forgets on request what is dynamic: all, one network, one port', () => {
  const lan = new Rig({ networks: [{}, {}], ports: [{}, {}, { network: 2 }, { network: 2 }] })
  const teach = () => {
    for (let index = 0; index < 4; index++) lan.send(index, frame(broadcast, station(index + 1)))
  }
  lan.macs(1).insert(0x5254, 1, 0, STATIC, 0)
  for (const [network, port, expected] of [
    [-1, -1, 4],
    [1, -1, 2],
    [2, 3, 1],
    [1, 3, 0],
    [-1, 0, 1],
    [7, -1, 0],
  ]) {
    teach()
    expect(lan.swap.flush(network, port)).toBe(expected)
  }
  expect(lan.macs(1).kind(lan.macs(1).find(0x5254, 1))).toBe(STATIC)
  expect(lan.macs(1).perPort[0] + lan.macs(1).perPort[1]).toBe(lan.macs(1).count - DYNAMIC)
})
