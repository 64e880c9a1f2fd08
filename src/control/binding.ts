/** Endpoints of translations as metrics show them: read from the arena while the worker goes on. */
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import { HOST_UPLINK } from '../pipeline/program.ts'
import { HEADER, HIGH, KIND, LINKS, MAPPING, WORDS } from '../table/binding.ts'
import type { Plant } from './plant.ts'
import { localName, uplinkName } from './wiring.ts'

/** The endpoints of a network's uplink: those that mappings hold, and those that there are. */
export interface PoolUse {
  network: string
  used: number
  capacity: number
}

/** TCP and UDP ports and ICMP identifiers are three spaces of the same size. */
const SPACES = 3

/** Endpoints in use, by index of the uplink's local port. */
function count(plant: Plant): Int32Array {
  const { bindingsAt } = plant.ground.memory
  const { i32 } = plant.arena
  const found = new Int32Array(PORT_COUNT_MAX)
  const end = Atomics.load(i32, (bindingsAt >> 2) + HIGH)
  for (let record = 0; record < end; record++) {
    const at = (bindingsAt >> 2) + HEADER + record * WORDS
    if ((i32[at + KIND] & 0xff) === MAPPING) found[i32[at + LINKS] & 0xffff]++
  }
  return found
}

/** Every network that translates. */
export function uses(plant: Plant): PoolUse[] {
  const used = count(plant)
  return [...plant.nets.values()].flatMap(({ name, configuration }) => {
    const local = plant.members.get(localName(uplinkName(name), HOST_UPLINK))
    if (configuration.mode !== 'nat' || local === undefined) return []
    const { first, last } = configuration.nat
    return [{ network: name, used: used[local.index], capacity: SPACES * (last - first + 1) }]
  })
}
