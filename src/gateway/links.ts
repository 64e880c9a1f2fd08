// Hot: the gateway's links, by their local port's index for packets and as a list for questions about all.
import { PORT_COUNT_MAX } from '../memory/counters.ts'
import type { Link } from './link.ts'

export class Links {
  /** by the index of the port that stands for the gateway; behind the last one OWN of packet.ts, where no link is */
  readonly at: (Link | null)[] = new Array(PORT_COUNT_MAX + 1).fill(null)
  list: Link[] = []

  /** True if one of the links has that address. */
  owns(address: number): boolean {
    const { list } = this
    for (let i = 0; i < list.length; i++) if (list[i].address === address) return address !== 0
    return false
  }

  /** The link on the network of that index, or null. */
  on(network: number): Link | null {
    const { list } = this
    for (let i = 0; i < list.length; i++) if (list[i].network.index === network) return list[i]
    return null
  }
}
