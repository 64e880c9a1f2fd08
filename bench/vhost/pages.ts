/** Hugepages for the time of a run: what is missing is reserved, and given back. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Refusal } from '../compare/options.ts'

const folder = '/sys/kernel/mm/hugepages/hugepages-2048kB'
const total = `${folder}/nr_hugepages`

/** OVS-DPDK has 512 MiB, the guests 256; the rest is for what DPDK rounds up. */
const wanted = 448

const read = (path: string) => Number(readFileSync(path, 'latin1'))

/** Reserves what is missing; returns what gives it back. */
export function reserve(): () => void {
  let before: number
  try {
    before = read(total)
  } catch {
    throw new Refusal('the kernel has no hugepages of 2 MiB; DPDK needs them (CONFIG_HUGETLBFS)')
  }
  const free = read(`${folder}/free_hugepages`)
  if (free >= wanted) return () => {}
  writeFileSync(total, String(before + wanted - free))
  const back = () => writeFileSync(total, String(before))
  const now = read(`${folder}/free_hugepages`)
  if (now >= wanted) return back
  back()
  throw new Refusal(
    `only ${now} of ${wanted} hugepages could be reserved; free memory, or echo ${before + wanted} > ${total} after a reboot`,
  )
}
