/** What SNAT, DNAT and their kin have in common: the addresses and ports that a flow may be given, and how rules write them. */
import { parseAddress, printAddress } from './address.ts'
import { type Action, SLOW, Wrong } from './extension.ts'
import { integer } from './number.ts'
import { DCCP, ICMP, parsePort, SCTP, TCP, UDP } from './protocol.ts'
import * as r from './registers.ts'

export interface Translation {
  /** first and last, int32 */
  addresses: [number, number] | null
  ports: [number, number] | null
  /** the port that the first of `ports` stands for, 0: none */
  base: number
  random: boolean
  randomFully: boolean
  persistent: boolean
}

export function nothing(): Translation {
  return { addresses: null, ports: null, base: 0, random: false, randomFully: false, persistent: false }
}

/** Ports can be named only where `-p` names a protocol that has such, as with iptables. */
export function protocols({ ports }: Translation): readonly number[] {
  return ports ? [TCP, UDP, SCTP, DCCP, ICMP] : []
}

/** `[address[-address]][:port[-port[/base]]]`. */
export function parse(data: Translation, text: string): void {
  const colon = text.indexOf(':')
  if (colon >= 0) parsePorts(data, text.slice(colon + 1))
  const addresses = colon < 0 ? text : text.slice(0, colon)
  if (addresses === '' && colon >= 0) return
  const [first, last, more] = addresses.split('-')
  if (more !== undefined) throw new Wrong('has more than two addresses')
  const low = address(first)
  const high = last === undefined ? low : address(last)
  if (low >>> 0 > high >>> 0) throw new Wrong('ends before it begins')
  data.addresses = [low, high]
}

function address(text: string): number {
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(text)) throw new Wrong('is no IPv4 address, or range of addresses')
  return parseAddress(text)
}

/** `port[-port[/base]]`; only the first may be a service's name. */
export function parsePorts(data: Translation, text: string): void {
  if (!/^\d/.test(text)) {
    const port = parsePort(text)
    data.ports = [port, port]
    return
  }
  const match = /^([^-/]+)(?:-([^-/]+)(?:\/(.+))?)?$/.exec(text)
  if (!match) throw new Wrong('is no port, or range first-last')
  const first = parsePort(match[1])
  const last = match[2] === undefined ? first : integer(match[2], 0, 65_535)
  if (last < first) throw new Wrong('ends before it begins')
  data.ports = [first, last]
  if (match[3] !== undefined) data.base = parsePort(match[3])
  if (match[3] !== undefined && data.base === 0) throw new Wrong('shifts by port 0')
}

/** The ports of an address of the gateway's own: without a base. */
export function parseOwnPorts(data: Translation, text: string): void {
  parsePorts(data, text)
  if (data.base !== 0) throw new Wrong('shifts ports, which only DNAT does')
}

/** The flags that iptables has for all of them; false if it is another option. */
export function flag(data: Translation, option: string): boolean {
  if (option === '--random') data.random = true
  else if (option === '--random-fully') data.randomFully = true
  else if (option === '--persistent') data.persistent = true
  else return false
  return true
}

/** Behind `option`, the way iptables-save does it; MASQUERADE and REDIRECT write ports without the colon. */
export function print(data: Translation, option: string): string[] {
  const { addresses, ports, base } = data
  let text = ''
  if (addresses) {
    text = printAddress(addresses[0])
    if (addresses[0] !== addresses[1]) text += `-${printAddress(addresses[1])}`
  }
  if (ports) {
    text += `${option === '--to-ports' ? '' : ':'}${ports[0]}`
    if (ports[0] !== ports[1]) text += `-${ports[1]}`
    if (base !== 0) text += `/${base}`
  }
  const words = text === '' ? [] : [option, text]
  if (data.random) words.push('--random')
  if (data.randomFully) words.push('--random-fully')
  if (data.persistent) words.push('--persistent')
  return words
}

/** Fills the registers and ends the hook; `bits` are NAT_SOURCE or NAT_DESTINATION, and NAT_LINK. */
export function code(data: Translation, bits: number): Action {
  const { addresses, ports, base } = data
  let flags = bits
  if (addresses) flags |= r.NAT_ADDRESS
  if (ports) flags |= r.NAT_PORT
  if (base !== 0) flags |= r.NAT_SHIFT
  if (data.random || data.randomFully) flags |= r.NAT_RANDOM
  if (data.persistent) flags |= r.NAT_PERSISTENT
  const values: [number, number][] = [
    [r.NAT_MIN, addresses?.[0] ?? 0],
    [r.NAT_MAX, addresses?.[1] ?? 0],
    [r.NAT_FIRST, ports?.[0] ?? 0],
    [r.NAT_LAST, ports?.[1] ?? 0],
    [r.NAT_BASE, base],
    [r.NAT_FLAGS, flags],
  ]
  const text = `${values.map(([register, value]) => `x[${register}]=${value};`).join('')}return ${r.TRANSLATE}`
  return { text, nature: SLOW, ends: true }
}

/** INPUT can translate the source of what comes to the host itself; the gateway's own services have no use for it. */
export function notInput(hooks: readonly string[], name: string): void {
  if (hooks.includes('INPUT')) throw new Wrong(`${name} is not available in INPUT: use it in POSTROUTING`, 0)
}
