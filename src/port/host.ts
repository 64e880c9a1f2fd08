/** The host's interfaces: those that a switch made, known by their alias, and everybody's addresses. */
import { native } from '../memory/native.ts'

/** Names of the interfaces of one switch in this namespace. */
export function interfaces(instance: string): string[] {
  return native
    .linkList('')
    .filter((link) => link.alias.startsWith(`bridgeport:${instance}:`))
    .map((link) => link.ifname)
}

/** IPv4 addresses of this namespace's interfaces, those that are down included. */
export function addresses(): { ifname: string; address: string }[] {
  return native.addressList('')
}
