/**
 * `npm start`: builds, starts the switch in the foreground, proves that traffic passes, and says how to plug machines in.
 *
 * Arguments go to `bridgeport up` (`npm start -- -c my.yaml`). Ctrl-C ends it and leaves nothing behind.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { build, Failure, report, root } from './build.mjs'

const program = join(root, 'bin/bridgeport.js')

/** Round trips of which the median is shown, and bytes that are sent there and back. */
const roundTrips = 200
const bulkBytes = 16 << 20

/** A client for a process in the network: median round trip in microseconds, then MB/s of an echo; asked for a name first. */
const client = `
const [host, port, trips, bytes, name] = process.argv.slice(1)
let named = null
const socket = require('net').connect({ host, port, noDelay: true, allowHalfOpen: true })
const times = []
let begun, received = 0
if (name) require('dns').promises.resolve4(name).then(([found]) => { named = found }, () => {})
const ping = () => { begun = process.hrtime.bigint(); socket.write('x') }
socket.on('connect', ping)
socket.on('data', (chunk) => {
  if (times.length < trips) {
    times.push(Number(process.hrtime.bigint() - begun) / 1000)
    if (times.length < trips) return ping()
    begun = process.hrtime.bigint()
    return socket.end(Buffer.alloc(Number(bytes)))
  }
  received += chunk.length
})
socket.on('end', () => {
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9
  times.sort((a, b) => a - b)
  console.log(JSON.stringify({ address: socket.localAddress, microseconds: times[trips >> 1], received, seconds, named }))
})
socket.on('error', (error) => { console.error(error.message); process.exit(1) })
`

/** Linux capabilities by number (linux/capability.h). */
const capabilities = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 }

function lacking() {
  const effective = BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]}`)
  return Object.keys(capabilities).filter((name) => !((effective >> BigInt(capabilities[name])) & 1n))
}

/** What the default configuration needs; of another one the switch itself says what is missing. */
function rights() {
  if (
    argument('-c', '--config') !== undefined ||
    ['bridgeport.yaml', '/etc/bridgeport/bridgeport.yaml'].some(existsSync)
  )
    return
  const missing = lacking()
  if (missing.length > 0)
    throw new Failure(
      `starting the switch needs ${missing.join(', ')}; run: sudo npm start, or without rights: npm start -- -c examples/user.yaml`,
    )
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch (error) {
    throw new Failure(`/dev/net/tun cannot be opened (${error.code}); run: sudo modprobe tun`)
  }
}

/** What stands behind an option of our command line, undefined if it is not there. */
function argument(...names) {
  const index = process.argv.findIndex((word) => names.includes(word))
  return index < 0 ? undefined : process.argv[index + 1]
}

/** The socket that the switch will use or uses, as told on our command line or in the file that it names. */
function socketArguments() {
  const told = argument('--socket') ?? named
  return told === undefined ? [] : ['--socket', told]
}

/** What the file says of the socket; the switch itself will tell what is wrong with a file. */
let named
async function look() {
  const file = argument('-c', '--config')
  if (file === undefined) return
  const { parse } = await import('yaml')
  try {
    named = parse(readFileSync(file, 'utf8'))?.socket
  } catch {
    named = undefined
  }
}

function ask(...args) {
  return JSON.parse(
    execFileSync(process.execPath, [program, ...args, ...socketArguments(), '--json'], { encoding: 'utf8' }),
  )
}

function running() {
  const result = spawnSync(process.execPath, [program, 'status', ...socketArguments()], { encoding: 'utf8' })
  return result.status === 0
}

/** How to see what it does. */
function sight() {
  const { http } = ask('status')
  const page = http === null ? '' : `http://${http}/ shows it in a browser, `
  return `${page}npx bridgeport top in a terminal; status, port ls, lease ls, conntrack ls, capture and doctor look closer.
Ctrl-C or npx bridgeport down ends it.`
}

/** How to plug in what needs no rights. */
function modest({ name }) {
  return `
a QEMU guest   qemu-system-x86_64 … $(npx bridgeport port add vm9 --network ${name} --type stream)
               (--type vhost-user is faster: the guest's memory is shared; npx bridgeport port args NAME prints the words again)
others         containers, processes, cards and the way outside need rights: sudo npm start

${sight()}
`
}

/** How to plug in what people have. */
function guide({ name, subnet, dhcp, uplink }) {
  const address = dhcp ? ' --address dhcp' : subnet ? ` --address ${example(subnet)}` : ''
  const own = dhcp ? '               (it asks for its address by DHCP)\n' : ''
  const published = uplink
    ? `\nnpx bridgeport publish add tcp::8080-${example(subnet).split('/')[0]}:80 leads port 8080 of this host to a machine's port 80.`
    : ''
  return `
a QEMU guest   qemu-system-x86_64 … $(npx bridgeport port add vm1 --network ${name} --type qemu-tap)
${own}… of a user    npx bridgeport port add vm2 --network ${name} --type vhost-user --owner USER
               prints what QEMU is told; it needs no root, and npx bridgeport port args vm2 prints it again (--format libvirt: as XML)
a container    podman run -d --name web --network none IMAGE
               npx bridgeport port add web --network ${name} --type tap --ifname eth0${address} \\
                 --netns pid:$(podman inspect -f '{{.State.Pid}}' web)
a process      npx bridgeport run --network ${name} -- CMD
${published}
${sight()}
`
}

/** An address of the subnet to show: its hundredth, or the tenth of a small one. */
function example(subnet) {
  const [base, prefix] = subnet.split('/')
  const parts = base.split('.')
  parts[3] = String(Number(parts[3]) + (Number(prefix) <= 24 ? 100 : 10))
  return `${parts.join('.')}/${prefix}`
}

/** Where the host listens for a process of the network, and how the process calls it; null where it cannot be reached. */
function meeting({ host, uplink, gateway }) {
  const own = host?.address?.split('/')[0]
  if (own) return { listen: own, call: own }
  return uplink?.type === 'host' && uplink.router ? { listen: uplink.router, call: gateway } : null
}

/** A process in the network talks to an echo on the host; prints what came back and how fast. */
async function proof(network) {
  const place = meeting(network)
  if (place === null) return
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, place.listen, resolve))
  const { port } = server.address()
  const name = network.dns ? `gateway.${network.domain}` : ''
  const told = [place.call, port, roundTrips, bulkBytes, name].map(String)
  const what = [process.execPath, '-e', client, ...told]
  const args = [program, 'run', ...socketArguments(), '--network', network.name, '--', ...what]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const status = await new Promise((resolve) => child.on('close', resolve))
  server.close()
  if (status !== 0) throw new Failure(`no traffic from a process to ${place.call}; see npx bridgeport doctor`)
  const { address, microseconds, received, seconds, named } = JSON.parse(text)
  const rate = ((2 * received * 8) / seconds / 1e9).toFixed(1)
  process.stdout.write(
    `real traffic: a process at ${address} and the host at ${place.call} exchanged ${received >> 20} MiB both ways over TCP ` +
      `(${rate} Gbit/s), round trip ${microseconds.toFixed(0)} µs\n`,
  )
  if (name) process.stdout.write(`names: ${name} is ${named ?? 'not known: DNS does not answer'}\n`)
}

/** The host's interface to the outside: that of its default route (proc_net(5)), '' if it has none. */
function egress() {
  const lines = readFileSync('/proc/net/route', 'utf8').trim().split('\n').slice(1)
  return (
    lines
      .map((line) => line.split('\t'))
      .find(([, to, , , , , , mask]) => to === mask && mask === '00000000')?.[0] ?? ''
  )
}

/** Where the network leads. */
function outside({ uplink }) {
  if (!uplink) return ''
  if (uplink.type === 'nic')
    return `outside: over ${uplink.ifname} as ${uplink.address ?? 'soon as it has an address'}\n`
  const ifname = egress()
  if (ifname === '') return 'outside: this host has no default route, so nothing beyond it is reached\n'
  return `outside: over ${ifname} as this host; npx bridgeport doctor says if a firewall of the host is in the way\n`
}

async function show() {
  const networks = ask('network', 'ls')
  for (const { name, mode, subnet, gateway, dhcp } of networks) {
    const served = dhcp ? `, gateway and DNS ${gateway}, DHCP ${dhcp}` : ''
    process.stdout.write(`network ${name}: ${mode} ${subnet ?? ''}${served}\n`)
  }
  const network = networks.find((row) => meeting(row) !== null) ?? networks[0]
  if (!network) return
  await proof(network)
  process.stdout.write(lacking().length > 0 ? modest(network) : outside(network) + guide(network))
}

/** Starts the switch and waits for its end. */
function up() {
  const child = spawn(process.execPath, [program, 'up', ...process.argv.slice(2)], {
    stdio: ['inherit', 'pipe', 'inherit'],
  })
  // A terminal sends Ctrl-C to the whole group; anybody else sends it to us alone.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  let text = ''
  let isReady = false
  child.stdout.on('data', (chunk) => {
    process.stdout.write(chunk)
    text = isReady ? '' : text + chunk
    if (isReady || !/^ready$/m.test(text)) return
    isReady = true
    show().catch((error) => process.stderr.write(`bridgeport: ${error.message}\n`))
  })
  return new Promise((resolve) => {
    child.on('close', (status, signal) => resolve(signal === null ? status : 1))
  })
}

try {
  await build()
  await look()
  if (running()) {
    process.stdout.write(
      'a switch is running already; npx bridgeport status shows it, npx bridgeport down ends it\n',
    )
    await show()
  } else {
    rights()
    process.exitCode = await up()
  }
} catch (error) {
  report(error)
}
