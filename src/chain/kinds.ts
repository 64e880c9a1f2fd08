/** All matches and targets there are. */
import type { MatchKind, TargetKind } from './extension.ts'
import { addrtype } from './match/addrtype.ts'
import { comment } from './match/comment.ts'
import { connbytes } from './match/connbytes.ts'
import { connlimit } from './match/connlimit.ts'
import { connmark } from './match/connmark.ts'
import { conntrack } from './match/conntrack.ts'
import { dscp } from './match/dscp.ts'
import { ecn } from './match/ecn.ts'
import { hashlimit } from './match/hashlimit.ts'
import { icmp } from './match/icmp.ts'
import { ip } from './match/ip.ts'
import { iprange } from './match/iprange.ts'
import { length } from './match/length.ts'
import { limit } from './match/limit.ts'
import { mac } from './match/mac.ts'
import { mark } from './match/mark.ts'
import { multiport } from './match/multiport.ts'
import { physdev } from './match/physdev.ts'
import { pkttype } from './match/pkttype.ts'
import { quota } from './match/quota.ts'
import { recent } from './match/recent.ts'
import { rpfilter } from './match/rpfilter.ts'
import { set } from './match/set.ts'
import { state } from './match/state.ts'
import { statistic } from './match/statistic.ts'
import { string } from './match/string.ts'
import { tcp } from './match/tcp.ts'
import { tcpmss } from './match/tcpmss.ts'
import { time } from './match/time.ts'
import { tos } from './match/tos.ts'
import { ttl } from './match/ttl.ts'
import { u32 } from './match/u32.ts'
import { udp } from './match/udp.ts'
import { accept } from './target/accept.ts'
import { connmark as connmarkTarget } from './target/connmark.ts'
import { ct } from './target/ct.ts'
import { dnat } from './target/dnat.ts'
import { drop } from './target/drop.ts'
import { dscp as dscpTarget } from './target/dscp.ts'
import { log } from './target/log.ts'
import { mark as markTarget } from './target/mark.ts'
import { masquerade } from './target/masquerade.ts'
import { netmap } from './target/netmap.ts'
import { nflog } from './target/nflog.ts'
import { notrack } from './target/notrack.ts'
import { redirect } from './target/redirect.ts'
import { reject } from './target/reject.ts'
import { back } from './target/return.ts'
import { set as setTarget } from './target/set.ts'
import { snat } from './target/snat.ts'
import { tcpmss as tcpmssTarget } from './target/tcpmss.ts'
import { tos as tosTarget } from './target/tos.ts'
import { trace } from './target/trace.ts'
import { ttl as ttlTarget } from './target/ttl.ts'

// biome-ignore lint/suspicious/noExplicitAny: what a kind makes of options is known to nobody but the kind
type AnyMatch = MatchKind<any>
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyTarget = TargetKind<any>

const matches: AnyMatch[] = [
  addrtype,
  comment,
  connbytes,
  connlimit,
  connmark,
  conntrack,
  dscp,
  ecn,
  hashlimit,
  icmp,
  ip,
  iprange,
  length,
  limit,
  mac,
  mark,
  multiport,
  physdev,
  pkttype,
  quota,
  recent,
  rpfilter,
  set,
  state,
  statistic,
  string,
  tcp,
  tcpmss,
  time,
  tos,
  ttl,
  u32,
  udp,
]

const targets: AnyTarget[] = [
  accept,
  connmarkTarget,
  ct,
  dnat,
  drop,
  dscpTarget,
  log,
  markTarget,
  masquerade,
  netmap,
  nflog,
  notrack,
  redirect,
  reject,
  back,
  setTarget,
  snat,
  tcpmssTarget,
  tosTarget,
  trace,
  ttlTarget,
]

const matchByName = new Map(matches.map((kind) => [kind.name, kind]))
const targetByName = new Map(targets.map((kind) => [kind.name, kind]))

export function matchKind(name: string): MatchKind | undefined {
  return matchByName.get(name)
}

export function targetKind(name: string): TargetKind | undefined {
  return targetByName.get(name)
}

/** Names that may stand behind -m. */
export function matchNames(): string[] {
  return matches.map((kind) => kind.name).filter((name) => name !== 'ip')
}

/** Names that may stand behind -j. */
export function targetNames(): string[] {
  return targets.map((kind) => kind.name)
}
