/** A house with rules, and what tests ask of it. */
import { afterEach } from 'vitest'
import { House, type Settings } from './house.ts'
import { datagram } from './tracker.ts'

export const GUEST = '10.0.0.11'
export const PEER = '203.0.113.5'
export const SYN = 2
export const ACK = 16
const houses: House[] = []

/** A house with these rules, closed after the test. */
export function house(rules: string, settings: Settings = {}): House {
  const made = new House(settings)
  houses.push(made)
  made.rules(rules)
  return made
}

afterEach(() => {
  for (const each of houses.splice(0)) each.close()
})

export const filter = (...lines: string[]) => ['*filter', ...lines, 'COMMIT', ''].join('\n')
export const nat = (...lines: string[]) => ['*nat', ...lines, 'COMMIT', ''].join('\n')
export const mangle = (...lines: string[]) => ['*mangle', ...lines, 'COMMIT', ''].join('\n')
export const raw = (...lines: string[]) => ['*raw', ...lines, 'COMMIT', ''].join('\n')
export const ask = (port = 53, from = 4000) => datagram(GUEST, PEER, [from, port])
export const addresses = ({ packet }: { packet: Uint8Array }) =>
  [packet.subarray(12, 16), packet.subarray(16, 20)].map((each) => each.join('.'))
export const ports = ({ packet }: { packet: Uint8Array }) => [
  (packet[20] << 8) | packet[21],
  (packet[22] << 8) | packet[23],
]
/** packets that a rule or policy counted, by a part of its line */
export const count = (made: House, part: string) => {
  const line = made
    .saved()
    .split('\n')
    .find((each) => each.includes(part))
  return Number(/\[(\d+):/.exec(line ?? '')?.[1])
}
export const flows = (made: House) => made.parts.flows.count
