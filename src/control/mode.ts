/** Which keys a mode takes. A key that would do nothing there is refused, so that nobody relies on it. */
import { leadsOutside } from './gateway.ts'
import { type Problem, shown } from './problem.ts'
import type { NetworkInput } from './schema.ts'

type Key = 'gateway' | 'domain' | 'dhcp' | 'dns' | 'uplink' | 'nat' | 'hostAccess'

const isOff = (value: unknown) => value === undefined || value === 'off' || value === 'none'

/** Every key of a network that its mode, or its uplink, has no use for. */
export function misfits(name: string, input: NetworkInput): Problem[] {
  const result: Problem[] = []
  const { mode, uplink } = input
  const refuse = (key: Key, expected: string) =>
    result.push({
      path: ['networks', name, key],
      text: `found ${shown(input[key])}, expected ${expected}`,
    })
  const way =
    uplink === undefined ? '' : typeof uplink === 'string' ? uplink : 'nic' in uplink ? 'nic' : 'host'
  if ((mode === 'host-only' || mode === 'internal') && !isOff(uplink))
    refuse('uplink', `none: ${mode} leads nowhere`)
  if (mode === 'bridged' && way === 'host')
    refuse('uplink', 'none or { nic }: a bridged network has no gateway of ours')
  if (mode === 'bridged' || input.subnet === undefined)
    for (const key of ['dhcp', 'dns'] as const)
      if (!isOff(input[key]))
        refuse(key, mode === 'bridged' ? "off: the LAN's own serves" : 'off in a network without a subnet')
  const isServed = leadsOutside(mode) && way !== 'none'
  if (mode !== 'nat' && input.nat !== undefined) refuse('nat', `no such key: ${mode} translates nothing`)
  if (!(isServed && way !== 'nic') && input.hostAccess === true)
    refuse('hostAccess', 'false: it is for the uplink host')
  return result
}
