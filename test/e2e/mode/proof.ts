/** One proof of a cell: packets that are really sent, and what became of them. */
import { eventually, pause } from '../../lab/command.ts'
import { FIRST, type Kind, LAST, type Mark, type Station } from './station.ts'

export interface Proof {
  /** the way in words, for the title of the test and for docs/modes.md */
  way: string
  from: string
  /** who must, or must not, see the packets */
  at: string
  to: string
  /** tcp and icmp unless set */
  kinds?: Kind[]
  /** TCP port; one of its own unless set */
  port?: number
  /** TCP port at which it would arrive, if that is another */
  lands?: number
  /** yes: the source address that `at` sees */
  seen?: string
  /** no: the switch's reason, '' if the packet does not even come to it */
  reason?: string
  /** no: what the sender is told, by TCP and by ICMP */
  told?: Partial<Record<Kind, string>>
  /** the interface of the sender that knows the MAC of `at` without asking, so that a packet leaves even where nobody would answer who has the address */
  pinned?: string
  /** shell, at the sender, before and after: so that the packet does go that way */
  before?: string
  after?: string
}

/** What stations and counters said. */
export interface Evidence {
  tcp?: string
  icmp?: string
  sent?: Kind[]
  arrived?: Kind[]
  reason?: string
}

/** Time that a capture needs to report what its kernel saw. */
const settleMs = 200
/** How long an answer may take that must come, and how long one is awaited that must not: then captures decide, not the clock. */
const yesSeconds = 8
const noSeconds = 0.4
const triesMax = 10

let count = 0

export interface Ground {
  station(name: string): Station
  /** drops so far by reason */
  drops(): Promise<Record<string, number>>
}

/** What has to come out of a proof. */
export function expected({ kinds = ['tcp', 'icmp'], seen, at, reason, told = {} }: Proof): Evidence {
  if (seen !== undefined) {
    const evidence: Evidence = {}
    if (kinds.includes('tcp')) evidence.tcp = `${at} ${seen}`
    if (kinds.includes('icmp')) evidence.icmp = 'reply'
    return evidence
  }
  const evidence: Evidence = { sent: kinds, arrived: [] }
  if (reason !== undefined) evidence.reason = reason
  for (const kind of kinds) evidence[kind] = told[kind] ?? 'silence'
  return evidence
}

/** Sends the packets of a proof and gathers the evidence. */
export async function prove(ground: Ground, proof: Proof): Promise<Evidence> {
  const { kinds = ['tcp', 'icmp'], seen, before = '', after = '' } = proof
  const from = ground.station(proof.from)
  const at = ground.station(proof.at)
  const number = count++ % (LAST - FIRST)
  const mark: Mark = { port: proof.port ?? FIRST + number, size: 100 + number }
  const isAnswered = seen !== undefined || proof.told !== undefined
  const seconds = isAnswered ? yesSeconds : noSeconds
  const dropped = await ground.drops()
  await from.shell(before)
  if (proof.pinned) await pin(from, at, proof.pinned, proof.to)
  const send = () =>
    Promise.all([
      kinds.includes('tcp') ? from.connect(proof.to, mark.port, seconds) : undefined,
      kinds.includes('icmp') ? from.ping(proof.to, mark.size, seconds) : undefined,
    ])
  let [tcp, icmp] = await send()
  if (seen === undefined) {
    // Where a program comes to its turn so late that its time is over, nothing was sent: once more, for nothing that arrives shows nothing then.
    const isSent = () => kinds.every((kind) => from.saw('Out', mark).includes(kind))
    for (let tries = 1; tries < triesMax && !(await within(settleMs, isSent)); tries++)
      [tcp, icmp] = await send()
  }
  await from.shell(after)
  const evidence: Evidence = {}
  if (tcp !== undefined) evidence.tcp = tcp
  if (icmp !== undefined) evidence.icmp = icmp
  if (seen !== undefined) return evidence
  await pause(settleMs)
  evidence.sent = from.saw('Out', mark)
  evidence.arrived = at.saw('In', { ...mark, port: proof.lands ?? mark.port })
  if (proof.reason !== undefined) evidence.reason = grown(dropped, await ground.drops(), proof.reason)
  return evidence
}

/** True as soon as it is so, false if it is not in time. */
function within(ms: number, isSo: () => boolean): Promise<boolean> {
  return eventually('', isSo, ms).catch(() => false)
}

/** Writes down the MAC of `at`: that of its card if the sender is a guest on the card's LAN, of its one interface otherwise. */
async function pin(from: Station, at: Station, ifname: string, address: string): Promise<void> {
  const mac = await at.mac(ifname === 'eth0' && at.name === 'host' ? 'card6' : 'eth0')
  await from.exec('ip', 'neigh', 'replace', address, 'dev', ifname, 'lladdr', mac)
}

/** The reason that was expected if its count has grown, else all that have. */
function grown(before: Record<string, number>, after: Record<string, number>, reason: string): string {
  const names = Object.keys(after).filter((name) => (after[name] ?? 0) > (before[name] ?? 0))
  return names.includes(reason) ? reason : names.join(', ')
}
