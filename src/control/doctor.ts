/** What a machine needs to run a switch, looked at one by one: each finding is fine or names its remedy. */
import { closeSync, lstatSync, openSync } from 'node:fs'
import { release } from 'node:os'
import * as host from '../port/host.ts'
import { egresses } from '../port/route.ts'
import type { Configuration } from './configuration.ts'
import { instance, isLive } from './endpoint.ts'
import { find } from './file.ts'
import { type Finding, fine, problem } from './finding.ts'
import { guests, hugepages } from './guests.ts'
import { overlapping } from './host.ts'
import { load, type Overrides } from './load.ts'
import { ailment, blocked, cards } from './policy.ts'
import { Refusal } from './refusal.ts'
import { isModest, lacking } from './rights.ts'
import { hasHostLink } from './wiring.ts'

function rights(): Finding {
  const missing = lacking()
  if (missing.length === 0) return fine('rights', 'this process may make interfaces and enter namespaces')
  return problem('rights', `${missing.join(', ')} missing`, 'run as root (sudo bridgeport …)')
}

/** What is missing does no harm to a configuration that asks for no interface. */
function spared(finding: Finding): Finding {
  return finding.ok
    ? finding
    : fine(finding.check, `${finding.detail}, which this configuration does not need`)
}

function tun(): Finding {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'))
    return fine('tun', '/dev/net/tun opens')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      return problem(
        'tun',
        '/dev/net/tun is missing',
        'load the module (modprobe tun) or pass the device to the container',
      )
    if (code === 'ENODEV')
      return problem('tun', 'the kernel has no tun driver', 'load the module (modprobe tun)')
    return problem(
      'tun',
      `/dev/net/tun: ${code}`,
      'run as root (sudo bridgeport …) or pass the device to the container',
    )
  }
}

/** Linux 4.20 brought PACKET_IGNORE_OUTGOING, which qemu-tap needs; 6.2 the UDP segmentation offload of TAPs. */
function kernel(): Finding {
  const [major, minor] = release().split('.').map(Number)
  const isAtLeast = (a: number, b: number) => major > a || (major === a && minor >= b)
  if (!isAtLeast(4, 20))
    return problem('kernel', `Linux ${release()} is too old for qemu-tap`, 'use Linux 4.20 or newer')
  return fine(
    'kernel',
    `Linux ${release()}${isAtLeast(6, 2) ? '' : ', without UDP segmentation offload (6.2 has it)'}`,
  )
}

async function addon(): Promise<Finding> {
  try {
    const { Arena } = await import('../memory/arena.ts')
    Arena.create(2 ** 20)
    return fine('memory', 'the addon loads and shared memory can be made')
  } catch (error) {
    return problem(
      'memory',
      (error as Error).message.split('\n')[0],
      'build the addon (npm run build); memfd_create needs Linux 3.17',
    )
  }
}

function subnets(configuration: Configuration): Finding {
  const found = overlapping(configuration)
  if (found === null) return fine('subnets', 'no subnet overlaps a route of the host')
  return problem('subnets', found.text, `give network ${found.network} another subnet`)
}

/** What the host's firewall does with the links of uplinks; told link by link. */
function uplinks(configuration: Configuration): Finding[] {
  const count = [...configuration.networks.values()].filter(hasHostLink).length
  if (count === 0) return []
  try {
    if (egresses().length === 0)
      return [problem('uplink', 'the host has no route to anywhere', 'connect it: see ip route')]
    const found = blocked(configuration)
    if (found.length === 0) return [fine('uplink', 'the host’s firewall lets the links pass')]
    return found.map(({ text, remedy }) => problem('uplink', text, `run: ${remedy}`))
  } catch (error) {
    return [
      problem(
        'uplink',
        `the host’s firewall: ${(error as Error).message}`,
        'run as root (sudo bridgeport …)',
      ),
    ]
  }
}

/** Cards that the configuration names: there, up, and connected. */
function examineCards(configuration: Configuration): Finding[] {
  return cards(configuration).map((ifname) => {
    const found = ailment(ifname)
    return found === null ? fine('card', `${ifname} is up`) : problem('card', found.text, found.remedy)
  })
}

async function socket({ socket: path }: Configuration): Promise<{ finding: Finding; isRunning: boolean }> {
  try {
    if (await isLive(path)) return { finding: fine('switch', `a switch answers at ${path}`), isRunning: true }
    const status = lstatSync(path, { throwIfNoEntry: false })
    const detail =
      status === undefined
        ? `none runs at ${path}`
        : `a dead one left ${path}; the next \`bridgeport up\` removes it`
    return { finding: fine('switch', detail), isRunning: false }
  } catch (error) {
    const detail = `${path}: ${(error as Error).message}`
    return {
      finding: problem('switch', detail, 'run as root (sudo) or join the group of the socket'),
      isRunning: true,
    }
  }
}

function leftovers({ socket }: Configuration, isRunning: boolean): Finding {
  const left = isRunning ? [] : host.interfaces(instance(socket))
  if (left.length === 0) return fine('leftovers', 'no interface of a switch that is gone')
  return problem(
    'leftovers',
    `${left.join(', ')} of a switch that is gone`,
    'the next `bridgeport up` removes them, as does ip link del NAME',
  )
}

/** Looks at everything; never throws. */
export async function examine(options: Overrides & { file?: string }): Promise<Finding[]> {
  const findings = [rights(), tun(), kernel(), await addon(), hugepages()]
  let configuration: Configuration
  try {
    const path = find(options.file)
    configuration = load(path, options).configuration
    if (isModest(configuration)) findings.splice(0, 2, ...findings.slice(0, 2).map(spared))
    findings.push(fine('configuration', path ?? 'the default: no bridgeport.yaml here or in /etc/bridgeport'))
  } catch (error) {
    const lines = error instanceof Refusal ? error.lines : [(error as Error).message]
    return [...findings, ...lines.map((line) => problem('configuration', line, 'mend the file'))]
  }
  const { finding, isRunning } = await socket(configuration)
  const around = [
    subnets(configuration),
    ...examineCards(configuration),
    ...uplinks(configuration),
    ...guests(configuration),
  ]
  return [...findings, ...around, finding, leftovers(configuration, isRunning)]
}
