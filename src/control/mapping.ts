/** Ports published at run time: which network one is for, and which may be taken back. */
import { cidr, contains, ipv4 } from './address.ts'
import type { Configuration } from './configuration.ts'
import { publish, publishText } from './quantity.ts'
import { Absent, Refusal } from './refusal.ts'
import type { PublishEntry } from './resolve.ts'
import type { PublishRow } from './rows.ts'

export interface PublishInput {
  publish: string
  network?: string | undefined
  port?: string | undefined
}

/** What to add for an input: in the network whose subnet holds the guest unless one is named. Throws a Refusal. */
export function entryOf(input: PublishInput, { networks, ports }: Configuration): PublishEntry {
  const mapping = publish(input.publish)
  const what = `publish ${input.publish}`
  if (mapping === null) throw new Refusal(what, 'no published port', 'see bridgeport publish --help')
  const guest = ipv4(mapping.guest) as number
  const named = input.network === undefined ? undefined : networks.get(input.network)
  if (input.network !== undefined && named === undefined)
    throw new Absent(what, `there is no network ${input.network}`, 'see bridgeport network ls')
  const holds = ({ text }: { text: string }) => contains(cidr(text)!, guest)
  const network = named ?? [...networks.values()].find(({ subnet }) => subnet !== null && holds(subnet))
  if (network === undefined)
    throw new Refusal(what, `no network has ${mapping.guest} in its subnet`, 'see bridgeport network ls')
  const port = input.port ?? ''
  if (port !== '' && ports.get(port)?.origin !== 'run')
    throw new Refusal(what, `there is no running bridgeport run with port ${port}`, 'leave the port out')
  return { network: network.name, publish: publishText(mapping), port }
}

/** As runtime.yaml keeps it. */
export function persistent({ network, publish }: PublishEntry): { network: string; publish: string } {
  return { network, publish }
}

/** Throws a Refusal if nothing of that text is published, or the file publishes it. */
export function removable(text: string, rows: readonly PublishRow[], path: string): void {
  const row = rows.find((each) => each.publish === text)
  if (row === undefined)
    throw new Absent(`publish ${text}`, 'nothing of that form is published', 'see bridgeport publish ls')
  if (row.origin !== 'file') return
  const remedy =
    path === '' ? 'write a bridgeport.yaml without it and restart' : 'edit the file and run bridgeport reload'
  throw new Refusal(`publish ${text}`, `${path || 'the default configuration'} defines it`, remedy)
}
