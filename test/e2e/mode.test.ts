/** Every cell of the table of modes, both ways, with kernels on both sides; docs/modes.md says what came out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { suite } from '../lab/peer.ts'
import { columns } from './mode/cell.ts'
import { expected, prove } from './mode/proof.ts'
import { rows } from './mode/row.ts'
import { Town } from './mode/town.ts'

suite('the modes', ['bash', 'tcpdump', 'curl', 'sysctl'], () => {
  let town: Town
  beforeAll(async () => {
    town = await Town.build()
  })
  afterAll(cleanup)

  describe.each(rows)('$plot.title', ({ plot, cells }) => {
    beforeAll(() => town.enter(plot))
    afterAll(() => town.leave())
    for (const column of columns) {
      const { says, proofs } = cells[column]
      it.each(proofs)(`${column}: ${says}; $way: $to`, async (proof) => {
        expect(await prove(town, proof)).toEqual(expected(proof))
      })
    }
  })
})
