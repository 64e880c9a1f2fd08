/** What runs of like rules become: see plan.ts. The words of a key, and where its values stand in them. */
import type { KeyPart } from './extension.ts'

/** 0 source, 1 destination, 2 ports (source << 16 | destination), 3 protocol | network in << 8 | network out << 20, 4 port in << 16 | port out */
export const KEY_SOURCE = 0
export const KEY_DESTINATION = 1
export const KEY_PORTS = 2
export const KEY_PROTOCOL = 3
export const KEY_NAMES = 4
export const IN_NETWORK_SHIFT = 8
export const OUT_NETWORK_SHIFT = 20
export const NETWORK_MASK = 0xfff
export const IN_PORT_SHIFT = 16
export const PORT_MASK = 0xffff

/** The key part that fixes a name's number, of a network or a port, on the way in or out. */
export function namePart(id: number, isPort: boolean, ingress: boolean): KeyPart {
  if (isPort) {
    const shift = ingress ? IN_PORT_SHIFT : 0
    return { word: KEY_NAMES, value: (id << shift) | 0, mask: (PORT_MASK << shift) | 0 }
  }
  const shift = ingress ? IN_NETWORK_SHIFT : OUT_NETWORK_SHIFT
  return { word: KEY_PROTOCOL, value: (id << shift) | 0, mask: (NETWORK_MASK << shift) | 0 }
}
