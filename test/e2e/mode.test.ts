/** Every cell of the table of modes, both ways, with kernels on both sides; docs/modes.md says what came out. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { suite } from '../lab/peer.ts'
import { between } from './mode/border.ts'
import { columns } from './mode/cell.ts'
import { expected, prove } from './mode/proof.ts'
import { rows } from './mode/row.ts'
import { markdown } from './mode/table.ts'
import { Town } from './mode/town.ts'

const path = new URL('../../docs/modes.md', import.meta.url)
const chapters = [between]

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
      it.each(proofs)(`${column}: ${says}; $way`, async (proof) => {
        expect(await prove(town, proof)).toEqual(expected(proof))
      })
    }
  })

  describe.each(chapters)('$title', ({ proofs }) => {
    it.each(proofs)('$way', async (proof) => {
      expect(await prove(town, proof)).toEqual(expected(proof))
    })
  })
})

it('the modes are written down in docs/modes.md', () => {
  const text = markdown(rows, chapters)
  const present = readFileSync(path, { encoding: 'utf8', flag: 'a+' })
  if (present !== text) writeFileSync(path, text)
  expect(present, 'docs/modes.md was out of date and is written anew: commit it').toBe(text)
})
