/** What the host's nf_tables hold (linux/netfilter/nf_tables.h), read only: the chains that packets on their way through the host meet. */
import { ACK, attributes, DUMP, list, message, NETFILTER, request, textOf } from './netlink.ts'

const SUBSYSTEM = 10
const NEWCHAIN = 3
const GETCHAIN = 4
const NEWRULE = 6
const GETRULE = 7
const NEWSETELEM = 12
const GETSETELEM = 13
/** families whose chains see IPv4: ip and inet */
const FAMILIES = [2, 1]
const NAMES: Record<number, string> = { 1: 'inet', 2: 'ip' }
const HOOK_FORWARD = 2
const POLICY_DROP = 0
/** struct nfgenmsg */
const FIXED_LENGTH = 4
const INTERVAL_END = 1

/** One step of a rule: its kind (`meta`, `cmp`, …) and its attributes. */
export interface Expression {
  name: string
  data: Map<number, Buffer>
}

export interface Chain {
  family: 'ip' | 'inet'
  table: string
  name: string
  rules: Expression[][]
  /** a filter at the hook FORWARD; null for a chain that others jump to */
  base: { priority: number; drops: boolean } | null
}

/** An element of a set or a map: a key or, up to the next element, a range; `verdict` is what a verdict map says. */
export interface Element {
  key: Buffer
  isEnd: boolean
  verdict: Buffer | null
}

function fixed(family: number): Uint8Array {
  return Uint8Array.of(family, 0, 0, 0)
}

function ask(type: number, family: number, what: [number, string][] = []) {
  return request(
    NETFILTER,
    message((SUBSYSTEM << 8) | type, DUMP | ACK, 1, fixed(family), what),
    'firewall rules',
  )
}

function base(found: Map<number, Buffer>): Chain['base'] {
  const hook = found.get(4)
  if (hook === undefined || textOf(found.get(7)) !== 'filter') return null
  const parts = attributes(hook)
  if (parts.get(1)?.readUInt32BE(0) !== HOOK_FORWARD) return null
  return {
    priority: parts.get(2)?.readInt32BE(0) ?? 0,
    drops: found.get(5)?.readUInt32BE(0) === POLICY_DROP,
  }
}

/** The expressions in a list of them. */
export function expressions(nested: Buffer): Expression[] {
  return list(nested).map(([, each]) => {
    const parts = attributes(each)
    return { name: textOf(parts.get(1)), data: attributes(parts.get(2) ?? Buffer.alloc(0)) }
  })
}

/** All chains of tables that see IPv4 with their rules; empty where the kernel has no nf_tables. Throws a NativeError. */
export function chains(): Chain[] {
  try {
    return FAMILIES.flatMap(read)
  } catch (error) {
    const { code } = error as { code: string }
    if (['EOPNOTSUPP', 'EPROTONOSUPPORT', 'EINVAL'].includes(code)) return []
    throw error
  }
}

function read(family: number): Chain[] {
  const name = NAMES[family] as Chain['family']
  const result = new Map<string, Chain>()
  const keyOf = (table: string, chain: string) => `${table}\0${chain}`
  for (const { type, body } of ask(GETCHAIN, family)) {
    if ((type & 255) !== NEWCHAIN) continue
    const found = attributes(body.subarray(FIXED_LENGTH))
    const chain = { table: textOf(found.get(1)), name: textOf(found.get(3)) }
    result.set(keyOf(chain.table, chain.name), { family: name, ...chain, rules: [], base: base(found) })
  }
  for (const { type, body } of ask(GETRULE, family)) {
    if ((type & 255) !== NEWRULE) continue
    const found = attributes(body.subarray(FIXED_LENGTH))
    const chain = result.get(keyOf(textOf(found.get(1)), textOf(found.get(2))))
    chain?.rules.push(expressions(found.get(4) ?? Buffer.alloc(0)))
  }
  return [...result.values()]
}

/** The elements of a set of a table. */
export function elements({ family, table }: Chain, set: string): Element[] {
  const number = FAMILIES.find((each) => NAMES[each] === family) as number
  const what: [number, string][] = [
    [1, table],
    [2, set],
  ]
  return ask(GETSETELEM, number, what).flatMap(({ type, body }) => {
    if ((type & 255) !== NEWSETELEM) return []
    const nested = attributes(body.subarray(FIXED_LENGTH)).get(3)
    return nested === undefined ? [] : list(nested).map(([, each]) => element(attributes(each)))
  })
}

function element(parts: Map<number, Buffer>): Element {
  const key = attributes(parts.get(1) ?? Buffer.alloc(0)).get(1) ?? Buffer.alloc(0)
  const flags = parts.get(3)?.readUInt32BE(0) ?? 0
  const verdict = attributes(parts.get(2) ?? Buffer.alloc(0)).get(2) ?? null
  return { key, isEnd: (flags & INTERVAL_END) !== 0, verdict }
}
