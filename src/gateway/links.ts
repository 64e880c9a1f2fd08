// Hot: the gateway's links, by their local port's index for packets and as a list for questions about all.
import type { Link } from './link.ts'

/** Ports of a switch: counters.ts has a row for each. */
const COUNT = 1024

export class Links {
  /** by the index of the port that stands for the gateway */
  readonly at: (Link | null)[] = new Array(COUNT).fill(null)
  list: Link[] = []

  /** The link on the network of that index, or null. */
  on(network: number): Link | null {
    const { list } = this
    for (let i = 0; i < list.length; i++) if (list[i].network.index === network) return list[i]
    return null
  }
}
