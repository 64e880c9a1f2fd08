/**
 * A guest for tests and examples, without a disk: Debian's cloud kernel, busybox, iperf3 and an /init that takes
 * its address from the kernel's command line. Prints {"kernel": PATH, "initrd": PATH}.
 *
 * Built once per kernel version into a folder below the system's temporary folder; a few seconds when apt has its lists.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What virtio over PCI needs, in the order that modprobe's dependencies may be completed. */
const modules = ['virtio_pci', 'virtio_net']

/**
 * `bridgeport.address=10.0.2.15/24`, or `dhcp`, and `bridgeport.mtu=1500` arrive on the kernel's command line; without the latter the
 * card's own MTU stays. Services: an echo on port 7, a web server on port 80, iperf3 on its own port. Then a shell on the
 * serial line, without echo, so that a program can talk to it; `@ready` says that it listens. A fresh IPv6 address is
 * used at once: duplicate address detection would take a second or two.
 */
const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /tmp /www
stty -echo -onlcr < /dev/console
for module in $(cat /modules/order); do insmod /modules/$module; done
for word in $(cat /proc/cmdline); do
  case $word in
    bridgeport.address=*) address=\${word#*=} ;;
    bridgeport.mtu=*) mtu=\${word#*=} ;;
  esac
done
for file in all default eth0; do echo 0 > /proc/sys/net/ipv6/conf/$file/accept_dad; done
ip link set lo up
[ -z "$mtu" ] || ip link set eth0 mtu $mtu
ip link set eth0 up
if [ "$address" = dhcp ]; then udhcpc -i eth0 -q -n -t 20 -T 1 -s /lease > /dev/null 2>&1
else ip addr add \${address:-10.0.2.15/24} dev eth0
fi
echo guest > /www/index.html
nc -ll -p 7 -e cat &
httpd -h /www
iperf3 -s -D > /dev/null 2>&1
echo @ready > /dev/console
exec setsid sh -c 'sh < /dev/ttyS0 2>&1 | cat > /dev/ttyS0'
`

/** What udhcpc calls with what it was offered. */
const lease = `#!/bin/busybox sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace $ip/$mask dev $interface
for gateway in $router; do ip route replace default via $gateway; done
for server in $dns; do echo nameserver $server; done > /etc/resolv.conf
`

function output(command, ...args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (result.status === 0) return result.stdout
  const reason = `${result.stderr ?? ''}${result.error?.message ?? ''}`.trim().split('\n').pop()
  throw new Error(
    `guest: ${command} failed: ${reason}; the guest needs Debian's apt, cpio, kmod and busybox-static`,
  )
}

/** The kernel package that Debian's cloud meta package points at today. */
function kernelPackage() {
  const depends = output('apt-cache', 'depends', 'linux-image-cloud-amd64')
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1]
  if (!name)
    throw new Error('guest: apt knows no linux-image-cloud-amd64; run apt-get update on Debian for amd64')
  return name
}

/** Copies a program and the shared objects that ldd lists. */
function program(tree, path) {
  const libraries = output('ldd', path).match(/\/\S+/g) ?? []
  for (const file of [path, ...libraries]) {
    fs.mkdirSync(join(tree, dirname(file)), { recursive: true })
    fs.copyFileSync(file, join(tree, file))
  }
  if (dirname(path) !== '/bin') fs.symlinkSync(path, join(tree, 'bin', basename(path)))
}

function initrd(work, version) {
  const tree = join(work, 'tree')
  for (const folder of ['bin', 'dev', 'etc', 'proc', 'sys', 'modules'])
    fs.mkdirSync(join(tree, folder), { recursive: true })
  fs.copyFileSync('/bin/busybox', join(tree, 'bin/busybox'))
  const order = []
  for (const module of modules) {
    const needed = output('modprobe', '-d', join(work, 'kernel'), '-S', version, '-D', module)
    for (const path of needed.match(/\/\S+\.ko/g) ?? []) {
      if (order.includes(basename(path))) continue
      order.push(basename(path))
      fs.copyFileSync(path, join(tree, 'modules', basename(path)))
    }
  }
  fs.writeFileSync(join(tree, 'modules/order'), `${order.join('\n')}\n`)
  for (const [name, text] of Object.entries({ init, lease })) {
    fs.writeFileSync(join(tree, name), text)
    fs.chmodSync(join(tree, name), 0o755)
  }
  program(tree, '/usr/bin/iperf3')
  // Debian has it in /usr/sbin; whoever wants a guest alone may do without.
  if (fs.existsSync('/usr/sbin/ethtool')) program(tree, '/usr/sbin/ethtool')
  output('sh', '-c', `cd '${tree}' && find . | cpio --quiet -o -H newc > '${work}/initrd'`)
}

/** Downloads, unpacks and packs in a folder of its own, and moves the whole result into place at the end. */
function make(name, target) {
  const work = fs.mkdtempSync(join(tmpdir(), 'bridgeport-guest-'))
  try {
    output('sh', '-c', `cd '${work}' && apt-get -q -o APT::Sandbox::User=root download ${name}`)
    const file = fs.readdirSync(work).find((entry) => entry.endsWith('.deb'))
    output('dpkg', '-x', join(work, file), join(work, 'kernel'))
    const version = fs.readdirSync(join(work, 'kernel/lib/modules'))[0]
    output('depmod', '-b', join(work, 'kernel'), version)
    initrd(work, version)
    fs.cpSync(join(work, `kernel/boot/vmlinuz-${version}`), join(work, 'vmlinuz'))
    for (const entry of ['kernel', 'tree', file]) fs.rmSync(join(work, entry), { recursive: true })
    // Guests of ordinary users boot it, too.
    fs.chmodSync(work, 0o755)
    if (!fs.existsSync(target)) fs.renameSync(work, target)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

try {
  const name = kernelPackage()
  const recipe = createHash('sha256')
    .update(fs.readFileSync(fileURLToPath(import.meta.url)))
    .digest('hex')
    .slice(0, 12)
  const target = join(tmpdir(), `bridgeport-${process.getuid()}-${name}-${recipe}`)
  if (!fs.existsSync(target)) make(name, target)
  process.stdout.write(
    `${JSON.stringify({ kernel: join(target, 'vmlinuz'), initrd: join(target, 'initrd') })}\n`,
  )
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
