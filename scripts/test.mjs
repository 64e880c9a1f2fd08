/**
 * `npm test`: builds, sees to the peers that the suites talk to, runs the suites.
 *
 * The last line is `N passed, N failed`, with `, N skipped` where a peer is missing; REQUIRE_ALL=1 makes that a failure.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, Failure, gyp, progress, report, root } from './build.mjs'
import { debian, install, missing } from './packages.mjs'

/** Debian's names of what the suites talk to. promtool comes with prometheus, nsenter and setpriv with util-linux, dpdk-testpmd with dpdk-dev. */
const peers = [
  ...[
    'iproute2',
    'iputils-ping',
    'iperf3',
    'tcpdump',
    'ethtool',
    'procps',
    'util-linux',
    'libpcap-dev',
    'curl',
  ],
  'bind9-dnsutils',
  'dnsmasq-base',
  ...['qemu-system-x86', 'busybox-static', 'cpio', 'kmod', 'podman', 'crun', 'conmon', 'prometheus'],
  ...['dpdk-dev', 'libvirt-clients', 'libxml2-utils'],
  ...['isc-dhcp-client', 'kea-admin'],
  ...['dpkg-dev', 'man-db', 'systemd'],
  ...['nfdump', 'tshark'],
  ...['nftables', 'iptables', 'ufw', 'conntrack', 'coturn', 'traceroute', 'python3', 'tmux', 'chromium'],
]

/** A firewall that guards the machine from the next boot on once it is installed: only where machines are thrown away after a run. */
if (process.env.REQUIRE_ALL === '1') peers.push('firewalld', 'dbus-daemon')

/** The independent witnesses: packages with an addon of their own, built here because install scripts are off. */
const witnesses = [
  { name: 'cap', binary: 'build/Release/cap.node', header: '/usr/include/pcap.h' },
  { name: 'raw-socket', binary: 'build/Release/raw.node', header: '' },
]

function system() {
  if (!debian() || process.getuid() !== 0) return
  const names = missing(peers)
  if (names.length === 0) return
  progress(`installing ${names.join(' ')}`)
  const refusal = install(names)
  if (refusal) throw new Failure(refusal)
}

function compile() {
  for (const { name, binary, header } of witnesses) {
    const folder = join(root, 'node_modules', name)
    if (existsSync(join(folder, binary)) || (header !== '' && !existsSync(header))) continue
    progress(`compiling ${name}`)
    gyp(folder, name)
  }
}

/** Numbers of a vitest JSON report; a file that could not be loaded counts as one failure. */
function summary(path) {
  if (!existsSync(path)) return { passed: 0, failed: 1, skipped: 0 }
  const results = JSON.parse(readFileSync(path, 'utf8'))
  const broken = results.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  )
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + broken.length,
    skipped: results.numPendingTests + results.numTodoTests,
  }
}

function run() {
  const file = join(tmpdir(), `bridgeport-test-${process.pid}.json`)
  const script = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const child = spawn(process.execPath, [script, 'run', ...reporters, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  })
  // A terminal sends Ctrl-C to the whole group: vitest ends and cleans up, and we report after it.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.on('close', (status) => {
      const { passed, failed, skipped } = summary(file)
      rmSync(file, { force: true })
      // An error outside of every test fails vitest without failing a test.
      const failures = status !== 0 && failed === 0 ? 1 : failed
      process.stdout.write(
        `${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
      )
      resolve(failures === 0 ? 0 : 1)
    })
  })
}

try {
  await build()
  system()
  compile()
  process.exitCode = await run()
} catch (error) {
  report(error)
}
