/** Static forwarding entries: MACs that a user pinned to a port. */
import * as mac from '../wire/mac.ts'
import type { Net, Static } from './compile.ts'
import type { Member } from './member.ts'
import { Refusal } from './refusal.ts'

export class Statics {
  list: Static[] = []
  private readonly nets: Map<string, Net>
  private readonly members: Map<string, Member>

  constructor(nets: Map<string, Net>, members: Map<string, Member>) {
    this.nets = nets
    this.members = members
  }

  /** Pins a MAC to a port; throws a Refusal for what is no station's address, an unknown port or one of another network. */
  add(network: string, text: string, port: string): void {
    const what = `mac ${text}`
    const parsed = mac.parse(text)
    const bare = text.toLowerCase()
    if (!parsed || parsed.high & 0x0100 || (parsed.high | parsed.low) === 0) {
      throw new Refusal(
        what,
        'not the MAC of a station',
        'write six bytes like 52:54:00:12:34:56, the first one even',
      )
    }
    if (!this.nets.has(network))
      throw new Refusal(what, `there is no network ${network}`, 'see bridgeport network ls')
    if (this.members.get(port)?.spec.network !== network) {
      throw new Refusal(what, `network ${network} has no port ${port}`, 'see bridgeport port ls')
    }
    const isHost = [...this.members.values()].some(({ spec }) => spec.type === 'host' && spec.mac === bare)
    if (isHost) throw new Refusal(what, `it is the host's own in a network`, 'choose another MAC')
    this.drop(network, bare)
    this.list.push({ network, mac: bare, port })
  }

  /** Removes a static entry; throws a Refusal if there is none. */
  remove(network: string, text: string): void {
    if (!this.drop(network, text.toLowerCase())) {
      throw new Refusal(`mac ${text}`, `network ${network} has no such static entry`, 'see bridgeport mac ls')
    }
  }

  /** Forgets the entries of networks that are gone. */
  prune(): void {
    this.list = this.list.filter((entry) => this.nets.has(entry.network))
  }

  private drop(network: string, bare: string): boolean {
    const kept = this.list.filter((entry) => entry.network !== network || entry.mac !== bare)
    const dropped = kept.length < this.list.length
    this.list = kept
    return dropped
  }
}
