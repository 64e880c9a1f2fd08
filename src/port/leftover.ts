/** Interfaces that a switch made, known by their alias. */
import { native } from '../memory/native.ts'

/** Names of the interfaces of one switch in this namespace. */
export function interfaces(instance: string): string[] {
  return native
    .linkList('')
    .filter((link) => link.alias.startsWith(`bridgeport:${instance}:`))
    .map((link) => link.ifname)
}
