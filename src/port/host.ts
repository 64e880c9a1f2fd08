/** The host's interfaces: those that a switch made, known by their alias, and everybody's addresses. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { native } from '../memory/native.ts'

/** Names of the interfaces of one switch in this namespace. */
export function interfaces(instance: string): string[] {
  return native
    .linkList('')
    .filter((link) => link.alias.startsWith(`bridgeport:${instance}:`))
    .map((link) => link.ifname)
}

/** The largest packet that an interface of this namespace takes, null if there is none of that name. */
export function interfaceMtu(ifname: string): number | null {
  return native.linkGet('', ifname)?.mtu ?? null
}

/** IPv4 addresses of this namespace's interfaces, those that are down included. */
export function addresses(): { ifname: string; address: string }[] {
  return native.addressList('')
}

/**
 * Keeps the host from routing what enters at an interface; packets to the host itself still arrive. True if it did route.
 * Whoever sets net.ipv4.ip_forward (Docker, when it starts) sets this on every interface again: look from time to time.
 * Throws the error of writing to a read-only /proc/sys.
 */
export function confine(ifname: string): boolean {
  let routed = false
  for (const family of ['ipv4', 'ipv6']) {
    const path = `/proc/sys/net/${family}/conf/${ifname}/forwarding`
    if (!existsSync(path) || readFileSync(path, 'latin1').trim() === '0') continue
    writeFileSync(path, '0')
    routed = true
  }
  return routed
}
