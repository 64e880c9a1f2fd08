/**
 * `npm start`: builds, starts the switch in the foreground, proves that traffic passes, and says how to plug machines in.
 *
 * Arguments go to `bridgeport up` (`npm start -- -c my.yaml`). Ctrl-C ends it and leaves nothing behind.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { build, Failure, report, root } from './build.mjs'

const program = join(root, 'bin/bridgeport.js')

/** Round trips of which the median is shown, and bytes that are sent there and back. */
const roundTrips = 200
const bulkBytes = 16 << 20

/** A client for a process in the network: median round trip in microseconds, then MB/s of an echo. */
const client = `
const [host, port, trips, bytes] = process.argv.slice(1)
const socket = require('net').connect({ host, port, noDelay: true, allowHalfOpen: true })
const times = []
let begun, received = 0
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
  console.log(JSON.stringify({ address: socket.localAddress, microseconds: times[trips >> 1], received, seconds }))
})
socket.on('error', (error) => { console.error(error.message); process.exit(1) })
`

/** Linux capabilities by number (linux/capability.h). */
const capabilities = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 }

function rights() {
  const effective = BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]}`)
  const missing = Object.keys(capabilities).filter(
    (name) => !((effective >> BigInt(capabilities[name])) & 1n),
  )
  if (missing.length > 0)
    throw new Failure(`starting the switch needs ${missing.join(', ')}; run: sudo npm start`)
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch (error) {
    throw new Failure(`/dev/net/tun cannot be opened (${error.code}); run: sudo modprobe tun`)
  }
}

/** The socket that the switch will use or uses, as told on our command line. */
function socketArguments() {
  const index = process.argv.indexOf('--socket')
  return index < 0 ? [] : ['--socket', process.argv[index + 1]]
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

/** How to plug in what people have. */
function guide(network) {
  const name = network.name
  const prefix = network.subnet ? ` --address ${example(network.subnet)}` : ''
  return `
a QEMU guest   npx bridgeport port add vm1 --network ${name} --type qemu-tap --ifname vm1
               qemu-system-x86_64 … -netdev tap,id=net0,ifname=vm1,script=no,downscript=no -device virtio-net-pci,netdev=net0
a container    podman run -d --name web --network none IMAGE
               npx bridgeport port add web --network ${name} --type tap --ifname eth0${prefix} \\
                 --netns pid:$(podman inspect -f '{{.State.Pid}}' web)
a process      npx bridgeport run --network ${name} -- CMD

npx bridgeport status, port ls, mac ls and doctor look at it; Ctrl-C or npx bridgeport down ends it.
`
}

/** An address of the subnet to show: its hundredth, or the tenth of a small one. */
function example(subnet) {
  const [base, prefix] = subnet.split('/')
  const parts = base.split('.')
  parts[3] = String(Number(parts[3]) + (Number(prefix) <= 24 ? 100 : 10))
  return `${parts.join('.')}/${prefix}`
}

/** A process in the network talks to an echo on the host's interface; prints what came back and how fast. */
async function proof(network) {
  const host = network.host?.address?.split('/')[0]
  if (!host) return
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
  const { port } = server.address()
  const what = [process.execPath, '-e', client, host, String(port), String(roundTrips), String(bulkBytes)]
  const args = [program, 'run', ...socketArguments(), '--network', network.name, '--', ...what]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const status = await new Promise((resolve) => child.on('close', resolve))
  server.close()
  if (status !== 0) throw new Failure(`no traffic from a process to ${host}; see npx bridgeport doctor`)
  const { address, microseconds, received, seconds } = JSON.parse(text)
  const rate = ((2 * received * 8) / seconds / 1e9).toFixed(1)
  process.stdout.write(
    `real traffic: a process at ${address} and the host at ${host} exchanged ${received >> 20} MiB both ways over TCP ` +
      `(${rate} Gbit/s), round trip ${microseconds.toFixed(0)} µs\n`,
  )
}

async function show() {
  const networks = ask('network', 'ls')
  for (const { name, mode, subnet } of networks)
    process.stdout.write(`network ${name}: ${mode} ${subnet ?? ''}\n`)
  const network = networks.find((row) => row.host?.address) ?? networks[0]
  if (!network) return
  await proof(network)
  process.stdout.write(guide(network))
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
