/**
 * podman containers without a registry: the image is busybox alone, imported from a tar file, and the storage is a temporary folder.
 *
 * `--network none` gives a namespace with loopback only: the switch plugs the container in by its pid.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { defer } from './cleanup.ts'
import { must, mustSync, patienceMs } from './command.ts'
import { folder } from './folder.ts'

export const image = 'localhost/bridgeport-busybox'

/** What `podman run` is told besides. */
export const limits = ['--cgroups=disabled', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024']

/**
 * crun refuses machines that mount cgroup v1 and v2 side by side, even with cgroups disabled: podman runs in a mount namespace without the
 * second one. Storage is vfs, which works on every file system, and limits are low, for a root without CAP_SYS_RESOURCE.
 */
function podman(root: string, ...args: string[]): string[] {
  const storage = [
    '--root',
    join(root, 'root'),
    '--runroot',
    join(root, 'run'),
    '--tmpdir',
    join(root, 'tmp'),
  ]
  const choices = [
    '--storage-driver',
    'vfs',
    '--cgroup-manager',
    'cgroupfs',
    '--events-backend',
    'none',
    '--runtime',
    'crun',
  ]
  const prepare = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec podman "$@"'
  return ['unshare', '-m', 'sh', '-c', prepare, 'podman', ...storage, ...choices, ...args]
}

/** Makes a storage with the image in it; what runs there is removed with it. */
export async function store(): Promise<string> {
  const root = folder('podman')
  defer(() => removeAll(root))
  const tree = join(root, 'tree')
  mkdirSync(join(tree, 'bin'), { recursive: true })
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'))
  for (const applet of ['sh', 'ping', 'nc', 'ip', 'wget', 'sleep', 'sha256sum', 'head'])
    symlinkSync('busybox', join(tree, 'bin', applet))
  mustSync('tar', '-C', tree, '-cf', join(root, 'image.tar'), '.')
  await must(podman(root, 'import', join(root, 'image.tar'), image))
  return root
}

/** `podman` for a shell, with that storage. */
export function shell(root: string): string {
  const words = podman(root).map((word) => `'${word}'`)
  return `podman() { ${words.join(' ')} "$@"; }`
}

/** Removes every container of a storage folder and unmounts it. */
export function removeAll(root: string): void {
  if (!existsSync(join(root, 'root'))) return
  const [command = '', ...args] = podman(root, 'rm', '--all', '--force', '--time', '0')
  spawnSync(command, args, { timeout: patienceMs })
}

export class Container {
  readonly pid: number
  #root: string
  #name: string

  private constructor(root: string, name: string, pid: number) {
    this.#root = root
    this.#name = name
    this.pid = pid
  }

  /** Starts a container that sleeps. */
  static async start(name: string): Promise<Container> {
    const root = await store()
    const options = ['--detach', '--name', name, '--network', 'none', '--cap-add', 'NET_RAW', ...limits]
    await must(podman(root, 'run', ...options, image, '/bin/sleep', '1000'))
    const pid = Number(await must(podman(root, 'inspect', '--format', '{{.State.Pid}}', name)))
    return new Container(root, name, pid)
  }

  /** Runs a command inside. */
  exec(...argv: string[]): Promise<string> {
    return must(podman(this.#root, 'exec', this.#name, ...argv))
  }

  remove(): void {
    removeAll(this.#root)
  }
}
