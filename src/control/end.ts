/** The control thread's ends of memory ports: those of an embedding program, and the gateways' own. */
import type { Doorbell } from '../memory/doorbell.ts'
import { MemoryPort } from '../port/embed.ts'
import * as memory from '../port/memory.ts'
import { GATEWAY_WORKER } from './compile.ts'
import type { Member } from './member.ts'
import type { Plant } from './plant.ts'

export class Ends {
  private readonly plant: Plant
  private readonly bells: readonly Doorbell[]
  private readonly open = new Map<number, { incarnation: number; end: MemoryPort }>()

  constructor(plant: Plant, bells: readonly Doorbell[]) {
    this.plant = plant
    this.bells = bells
  }

  /** The other end of a member's memory, the same as long as the member lives. */
  of({ spec, index, incarnation, memoryAt }: Member): MemoryPort {
    const present = this.open.get(index)
    if (present?.incarnation === incarnation) return present.end
    const isLocal = spec.type === 'local'
    const bell = this.bells[isLocal ? GATEWAY_WORKER : index % this.plant.workers]
    const shape = isLocal ? memory.LOCAL : memory.FULL
    const end = new MemoryPort(this.plant.arena, memoryAt, () => bell.wake(), shape)
    this.open.set(index, { incarnation, end })
    return end
  }

  /** Frames wait at the end of this port. */
  tell(index: number): void {
    this.open.get(index)?.end.onframes?.()
  }

  drop({ index, incarnation }: Member): void {
    if (this.open.get(index)?.incarnation === incarnation) this.open.delete(index)
  }
}
