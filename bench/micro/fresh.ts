/**
 * Flows that begin: the first packet of each, 64-byte UDP of one guest, through conntrack, a mapping and SNAT. A million a second is 1,000 ns
 * each. Endpoint-independent mappings without overloading are one for each port of the guest, so the flows differ in where they lead.
 */
import { many } from '../rules/text.ts'
import type { Case } from './case.ts'
import { CALL, FlowQueue, gateway } from './gateway.ts'
import { enforce, usual } from './ruled.ts'

const CAPACITY = 1_048_576
const everything = { protocol: 0, source: 0, destination: 0, sourcePort: 0, destinationPort: 0 }

/** A table that fills: it is emptied, untimed, whenever it is full. */
function filling(name: string, rules: string | null): Case {
  const { arena, dataplane, guest, sink, swap } = gateway(CAPACITY)
  if (rules !== null) enforce(swap, rules)
  const queue = new FlowQueue(arena, CAPACITY, 64)
  let made = 0
  return {
    name,
    frames: CALL,
    before: () => {
      if (sink.sent !== made) throw new Error(`${sink.sent} of ${made} flows came through`)
      if (made < CAPACITY) return
      const ended = swap.forget(everything)
      if (ended !== CAPACITY) throw new Error(`${ended} flows were in a table of ${CAPACITY}`)
      made = 0
      sink.sent = 0
    },
    run: () => {
      for (let done = 0; done < CALL; done += 64) dataplane.service(guest, queue)
      made += CALL
    },
  }
}

/** A table that is full: for each that begins, one that nobody answered ends early. */
function crowded(): Case {
  const { arena, dataplane, guest, sink } = gateway(CAPACITY)
  // Four times as many flows in turn as there is room for: each has been gone for long when its turn comes again.
  const queue = new FlowQueue(arena, 4 * CAPACITY, 64)
  let made = 0
  const begin = (count: number) => {
    for (let done = 0; done < count; done += 64) dataplane.service(guest, queue)
    made += count
  }
  begin(CAPACITY)
  return {
    name: `new flow and the end of another, ${CAPACITY}, burst 64`,
    frames: CALL,
    before: () => {
      if (sink.sent !== made) throw new Error(`${sink.sent} of ${made} flows came through`)
    },
    run: () => begin(CALL),
  }
}

export function fresh(): Case[] {
  const name = `new flow, up to ${CAPACITY}, burst 64`
  return [
    filling(name, null),
    crowded(),
    filling(`${name}, the usual six rules`, usual),
    filling(`${name}, 10000 rules`, many(10_000)),
  ]
}
