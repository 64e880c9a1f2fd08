/** All matchers there are, by the type in their descriptions. */
import type { MatcherSpec } from './extension.ts'
import { AddrtypeMatcher } from './matcher/addrtype.ts'
import { RpfilterMatcher } from './matcher/rpfilter.ts'
import { SetChanger, SetMatcher } from './matcher/set.ts'
import { TcpmssMatcher } from './matcher/tcpmss.ts'
import type { Footing, Matcher } from './matcher.ts'

type Make = (footing: Footing, spec: MatcherSpec) => Matcher

const makers: Record<string, Make> = {
  addrtype: (footing, spec) => new AddrtypeMatcher(footing, spec),
  change: (footing, spec) => new SetChanger(footing, spec),
  rpfilter: (footing, spec) => new RpfilterMatcher(footing, spec),
  set: (footing, spec) => new SetMatcher(footing, spec),
  tcpmss: (footing, spec) => new TcpmssMatcher(footing, spec),
}

/** Makes what a description describes. */
export function makeMatcher(spec: MatcherSpec, footing: Footing): Matcher {
  const make = makers[spec.type]
  if (make === undefined) throw new Error(`no matcher is of type ${spec.type}: name it in matchers.ts`)
  return make(footing, spec)
}
