/** The largest switch that is looked at: a hundred ports, ten thousand rules, a hundred thousand connections. */
import { mustSync } from './command.ts'
import { Daemon } from './daemon.ts'
import { Namespace } from './namespace.ts'
import { address, lan, tap } from './plan.ts'

export const PORTS = 100
export const RULES = 10_000
export const FLOWS = 100_000
/** Namespaces that share the ports: a hundred of them would take a minute to make. */
const HOUSES = 10
/** where nobody is, behind the host */
const NOWHERE = '198.18.0.0/15'

/** Sends an empty datagram to each of so many addresses. */
const talk = `
const socket = require('node:dgram').createSocket('udp4')
const send = async (count) => {
  for (let n = 0; n < count; n += 100)
    await Promise.all(Array.from({ length: 100 }, (_, i) => new Promise((done) =>
      socket.send('', 9, '198.' + (18 + ((n + i) >> 16)) + '.' + (((n + i) >> 8) & 255) + '.' + ((n + i) & 255), done))))
}
// The same port every time: what is sent again is no other connection.
socket.bind(40000, () => send(Number(process.argv[1])).then(() => socket.close()))
`

/** Half of them have comments, none is about what is sent. */
function rules(): string {
  const lines = Array.from({ length: RULES }, (_, n) => {
    const comment = n % 2 === 0 ? ` -m comment --comment "rule ${n}"` : ''
    return `-A FORWARD -d 10.${n >> 8}.${n & 255}.0/24 -p udp -m udp --dport ${1 + n}${comment} -j DROP\n`
  })
  return `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${lines.join('')}COMMIT\n`
}

/** Builds it; one guest has all the connections. */
export async function build(): Promise<Daemon> {
  const host = new Namespace('host')
  mustSync(...host.argv('ip', 'route', 'add', 'blackhole', NOWHERE))
  const busy = new Namespace('busy')
  const houses = Array.from({ length: HOUSES }, () => new Namespace('n'))
  const ports = Object.fromEntries(
    Array.from({ length: PORTS - 1 }, (_, n) => [
      `p${n}`,
      tap(houses[n % HOUSES], 100 + n, { ifname: `eth${Math.floor(n / HOUSES)}` }),
    ]),
  )
  const outward = { network: 'out', type: 'tap', netns: busy.name, ifname: 'eth0', address: 'dhcp' }
  const daemon = await Daemon.start(
    {
      networks: { lan, out: { mode: 'nat', subnet: '10.9.0.0/24', gateway: '10.9.0.1' } },
      ports: { ...ports, busy: outward },
      conntrack: { timeouts: { udp: '1h' } },
    },
    host,
  )
  mustSync(...houses[0].argv('ping', '-c', '1', '-W', '2', address(101)))
  await daemon.attempt(['rules', 'restore'], { input: rules() })
  // A queue that is full for a moment loses some: those are sent again.
  for (let round = 0; round < 10 && (await flows(daemon)) < FLOWS; round++)
    await busy.exec([process.execPath, '-e', talk, String(FLOWS)])
  return daemon
}

/** Connections that the daemon tracks, as it says. */
async function flows(daemon: Daemon): Promise<number> {
  const text = await daemon.get('/metrics')
  const counts = [...text.matchAll(/^bridgeport_flow_entries\{.*\} (\d+)$/gm)]
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}
