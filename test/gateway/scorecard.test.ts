/** Every requirement of RFC 4787, 5382 and 5508 with what proves it, and docs/nat-rfc.md, which says so. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { House } from '../lab/house.ts'
import * as icmp from './rfc/icmp.ts'
import { markdown } from './rfc/requirement.ts'
import * as tcp from './rfc/tcp.ts'
import * as udp from './rfc/udp.ts'

const chapters = [udp.chapter, tcp.chapter, icmp.chapter]
const path = new URL('../../docs/nat-rfc.md', import.meta.url)

let house: House | null = null
afterEach(() => {
  house?.close()
  house = null
})

describe.each(chapters)('$rfc', ({ requirements }) => {
  const proofs = requirements.flatMap(({ id, proofs }) => proofs.map((proof) => ({ id, ...proof })))
  it.each(proofs)('$id $shows', ({ settings, run }) => {
    house = new House(settings)
    run(house)
  })

  it('has a proof or a reason for every requirement', () => {
    expect(requirements.filter(({ proofs, note }) => proofs.length === 0 && !note)).toEqual([])
  })
})

it('is written down in docs/nat-rfc.md', () => {
  const text = markdown(chapters)
  const present = readFileSync(path, { encoding: 'utf8', flag: 'a+' })
  if (present !== text) writeFileSync(path, text)
  expect(present, 'docs/nat-rfc.md was out of date and is written anew: commit it').toBe(text)
})
