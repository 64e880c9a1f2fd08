/** What a million flows take: the regions of the arena that hold them, and by how much the process grew as they began. */
import { readFileSync } from 'node:fs'
import * as binding from '../../src/table/binding.ts'
import * as flow from '../../src/table/flow.ts'
import { BINDINGS, FlowQueue, gateway } from './gateway.ts'

const FLOWS = 1_000_000

/** Resident bytes of this process, shared memory included (proc_pid_status(5)). */
function resident(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024
}

export function memory(): { text: string; bytes: { flows: number; bindings: number; grown: number } } {
  const before = resident()
  const { arena, dataplane, guest, sink } = gateway(FLOWS)
  const queue = new FlowQueue(arena, 2 ** 20, 64)
  for (let made = 0; made < FLOWS; made += 64) dataplane.service(guest, queue)
  if (sink.sent !== FLOWS) throw new Error(`${sink.sent} of ${FLOWS} flows came through`)
  const bytes = {
    flows: flow.lengthOf(FLOWS),
    bindings: binding.lengthOf(BINDINGS),
    grown: resident() - before,
  }
  const megabytes = (count: number) => `${(count / 1e6).toFixed(1)} MB`
  const together = megabytes(bytes.flows + bytes.bindings)
  const text =
    `- ${FLOWS} flows: ${together} (flow table ${megabytes(bytes.flows)}, mappings ${megabytes(bytes.bindings)}); ` +
    `the process grew by ${megabytes(bytes.grown)}, frame pool and all`
  return { text, bytes }
}
