/** What guests behind sockets need of this machine: a way to the socket, memory that can be shared, room for it in the kernel's limits. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Configuration, PortConfiguration } from './configuration.ts'
import { type Finding, fine, problem } from './finding.ts'

/** Descriptors of a switch without sockets for guests: Node's, the workers', the API's and some clients'. */
const DESCRIPTORS = 128
/** Mappings likewise: Node, its threads and the addon have a few hundred. */
const MAPPINGS = 2000
/** Regions of memory that a guest shares; QEMU has 2 to 8, with hotplugged memory more. */
const REGIONS = 32

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function socketPorts({ ports }: Configuration): PortConfiguration[] {
  return [...ports.values()].filter(({ path }) => path !== '')
}

/** Pages of each size: reserved, free; and where a file of such pages can be made. QEMU needs none, DPDK processes do. */
export function hugepages(): Finding {
  const root = '/sys/kernel/mm/hugepages'
  const pools = (existsSync(root) ? readdirSync(root) : []).map((name) => {
    const kib = Number(/\d+/.exec(name)?.[0])
    const count = (file: string) => Number(text(`${root}/${name}/${file}`))
    return { kib, reserved: count('nr_hugepages'), free: count('free_hugepages') }
  })
  const used = pools.filter(({ reserved }) => reserved > 0).sort((a, b) => a.kib - b.kib)
  if (used.length === 0)
    return fine('hugepages', 'none reserved; guests of QEMU need none, DPDK does: sysctl vm.nr_hugepages=512')
  const size = (kib: number) => (kib >= 2 ** 20 ? `${kib >> 20} GiB` : `${kib >> 10} MiB`)
  const told = used.map(({ kib, reserved, free }) => `${reserved} of ${size(kib)}, ${free} free`)
  const place = /^\S+ (\S+) hugetlbfs /m.exec(text('/proc/mounts'))?.[1]
  const where = place
    ? `mounted at ${place}`
    : 'not mounted, as DPDK needs: mount -t hugetlbfs none /dev/hugepages'
  return fine('hugepages', `${told.join(', ')}; ${where}`)
}

/** A user and the groups that he is in, as the files of the host have them; null for one whom only a directory service knows. */
function userOf(owner: string): { uid: number; groups: number[] } | null {
  const rows = (path: string) =>
    text(path)
      .split('\n')
      .map((line) => line.split(':'))
  const row = rows('/etc/passwd').find(([name, , uid]) => name === owner || uid === owner)
  if (row === undefined) return /^\d+$/.test(owner) ? { uid: Number(owner), groups: [] } : null
  const [name, , uid, gid] = row
  const more = rows('/etc/group').flatMap(([, , id, members = '']) =>
    members.split(',').includes(name) ? [Number(id)] : [],
  )
  return { uid: Number(uid), groups: [Number(gid), ...more] }
}

/** True if a user may do `bits` (of one octal digit) with a folder. Lists of access rights are not looked at. */
function may(user: { uid: number; groups: number[] }, folder: string, bits: number): boolean {
  const { uid, gid, mode } = statSync(folder)
  if (user.uid === 0) return true
  const shift = uid === user.uid ? 6 : user.groups.includes(gid) ? 3 : 0
  return ((mode >> shift) & bits) === bits
}

/** The first folder on the way to a path that a user cannot enter, or null. */
function barrier(user: { uid: number; groups: number[] }, folder: string): string | null {
  const above = dirname(folder)
  const before = above === folder ? null : barrier(user, above)
  return before ?? (may(user, folder, 1) ? null : folder)
}

const WRITE = 3

/** What is in the way of one port's files, or null. */
function obstacle({ name, path, peer, role, owner }: PortConfiguration, own: string): Finding | null {
  const of = (why: string, remedy: string) => problem('sockets', `port ${name}: ${why}`, remedy)
  for (const file of peer === '' ? [path] : [path, peer]) {
    const folder = dirname(file)
    const isOurs = file === path && role === 'server'
    // The switch makes the folder of its own socket.
    if (!existsSync(folder) && folder === own) continue
    if (!existsSync(folder)) return of(`there is no folder ${folder}`, `create it (mkdir -p ${folder})`)
    try {
      accessSync(folder, isOurs ? constants.W_OK | constants.X_OK : constants.X_OK)
    } catch {
      const why = `this user may not ${isOurs ? 'write into' : 'enter'} ${folder}`
      return of(why, 'run as root (sudo bridgeport …) or choose a path in a folder of its own')
    }
    const user = owner === null ? null : userOf(owner)
    if (user === null) continue
    const closed = barrier(user, folder)
    if (closed !== null)
      return of(`${owner} cannot enter ${closed} on the way to ${file}`, `run: chmod o+x ${closed}`)
    if (!isOurs && !may(user, folder, WRITE))
      return of(`${owner} cannot make ${file}`, `choose a peer in a folder of ${owner}'s`)
  }
  return null
}

function sockets(ports: PortConfiguration[], own: string): Finding[] {
  const found = ports.flatMap((port) => obstacle(port, own) ?? [])
  return found.length > 0 ? found : [fine('sockets', 'guests can reach their sockets')]
}

/** Whether this process may have as many descriptors and mappings as the ports may take. */
function limits(ports: PortConfiguration[]): Finding {
  // A connection, a listener, and of each ring two doorbells, in two directions.
  const wanted = ports.reduce(
    (sum, { type, queues }) => sum + (type === 'vhost-user' ? 2 + 4 * queues : 2),
    DESCRIPTORS,
  )
  // Node raises its soft limit to the hard one.
  const descriptors = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(text('/proc/self/limits'))?.[1] ?? wanted)
  if (descriptors < wanted)
    return problem(
      'limits',
      `${descriptors} files may be open, ${ports.length} ports for guests need ${wanted}`,
      `run: ulimit -n ${wanted} (LimitNOFILE= of systemd)`,
    )
  const regions = MAPPINGS + REGIONS * ports.filter(({ type }) => type === 'vhost-user').length
  const mappings = Number(text('/proc/sys/vm/max_map_count') || regions)
  if (mappings < regions)
    return problem(
      'limits',
      `a process may have ${mappings} mappings, the memory of so many guests needs ${regions}`,
      `run: sysctl vm.max_map_count=${regions}`,
    )
  return fine(
    'limits',
    `${descriptors} open files and ${mappings} mappings are enough for ${ports.length} ports`,
  )
}

/** Without KVM guests are slow, and QEMU 7.2 ends as a driver starts a vhost-user card with interrupts by message. */
function kvm(): Finding {
  return existsSync('/dev/kvm')
    ? fine('kvm', '/dev/kvm is there')
    : fine(
        'kvm',
        'no /dev/kvm: guests are emulated; QEMU 7.2 then needs vectors=0 for the card of a vhost-user port',
      )
}

/** Who confines QEMU as libvirt starts it: what that may open is told there, not here. */
function confinement(): Finding[] {
  const found: Finding[] = []
  if (text('/sys/fs/selinux/enforce').trim() === '1')
    found.push(
      fine(
        'confinement',
        'SELinux may keep QEMU of libvirt from the sockets; ausearch -m AVC says if it did',
      ),
    )
  if (text('/sys/kernel/security/apparmor/profiles').includes('libvirt'))
    found.push(
      fine(
        'confinement',
        'AppArmor keeps QEMU of libvirt from sockets that /etc/apparmor.d/local/abstractions/libvirt-qemu does not name ("PATH rw,")',
      ),
    )
  return found
}

/** Everything about the ports of a configuration that are sockets; nothing if there are none. */
export function guests(configuration: Configuration): Finding[] {
  const ports = socketPorts(configuration)
  if (ports.length === 0) return []
  const own = dirname(configuration.socket)
  const shared = ports.some(({ type }) => type === 'vhost-user') ? [kvm()] : []
  return [...sockets(ports, own), limits(ports), ...shared, ...confinement()]
}
