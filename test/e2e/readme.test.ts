/** The README's quick start, word for word, on a host of its own; a container's image needs no registry here. */
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { image, limits, shell, store } from '../lab/container.ts'
import { folder } from '../lab/folder.ts'
import { Markdown } from '../lab/markdown.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { root } from '../style/source.ts'

const blocks = new Markdown('README.md').fenced('sh')

/** The block that holds a text. */
function block(text: string): string {
  const found = blocks.filter((each) => each.includes(text))
  if (found.length !== 1) throw new Error(`${found.length} blocks of the README hold ${text}`)
  return found[0] ?? ''
}

/** Runs a script in the clone, with /run and /var/lib of its own so that the default paths are free. */
function script(host: Namespace, ...parts: string[]): Promise<string> {
  const fresh = 'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && cd "$1" && exec bash -e -c "$2"'
  const argv = ['unshare', '-m', 'sh', '-c', fresh, 'sh', root, parts.join('\n')]
  return host.exec(argv, { timeoutMs: 50_000 })
}

async function leftNothing(host: Namespace): Promise<void> {
  await eventually('nothing is left', () => host.interfaces().length === 0 && host.pids().length === 0)
}

const needed = ['unshare', 'bash', 'npx', 'curl', 'timeout', 'qemu-system-x86_64', 'podman', 'crun', 'conmon']

suite('quick start', needed, () => {
  afterEach(cleanup)

  it('processes, the API and the end', async () => {
    const host = new Namespace('host')
    const api = block('curl --unix-socket')
    const text = await script(
      host,
      block('npm run build'),
      block('-- ping'),
      block('publish add'),
      'npx bridgeport publish ls',
      'npx bridgeport port add p --network default --type tap',
      api,
      'npx bridgeport down',
    )
    expect(text).toMatch(/^networks +1$/m)
    expect(text).toContain('2 packets transmitted, 2 received')
    expect(text).toMatch(/^tcp::2222-10\.0\.2\.15:22 +default +runtime +up$/m)
    expect(text).toContain('"name":"p"')
    expect(text).toContain('# TYPE bridgeport_port_up gauge')
    await leftNothing(host)
  })

  it('rules', async () => {
    const host = new Namespace('host')
    const up = 'npx bridgeport up -c examples/rules.yaml --detach'
    const text = await script(host, up, block('rules check'), 'npx bridgeport down')
    expect(text).toContain('-A FORWARD -i office -o office-uplink -m comment')
    expect(text).toMatch(/^passes: leaves by servers to 10\.41\.0\.10/m)
    await leftNothing(host)
  })

  it('a container', async () => {
    const host = new Namespace('host')
    const container = block('podman run')
      .replace('podman run', `podman run ${limits.join(' ')}`)
      .replace(/docker\.io\S+/, `${image} /bin/busybox httpd -f -p 80`)
    const podman = shell(await store())
    const ends = ['podman rm --force --time 0 web', 'npx bridgeport down']
    const text = await script(host, podman, block('npm run build'), container, ...ends)
    expect(text).toContain('404 Not Found') // the server has nothing to show
    await leftNothing(host)
  })

  it('a libvirt domain', async () => {
    const host = new Namespace('host')
    // No domain is needed to see what it would be told.
    const domain = block('virsh attach-device')
      .replace('libvirt-qemu', 'nobody')
      .replaceAll('vm6.xml', join(folder('readme'), 'vm6.xml'))
      .replace(/virsh attach-device guest (\S+) .*/, 'cat $1')
    const text = await script(host, block('npm run build'), domain, 'npx bridgeport down')
    expect(text).toMatch(/<interface type='ethernet'>[\s\S]*<target dev='vm6' managed='no'\/>/)
    await leftNothing(host)
  })

  it('ports that are sockets', async () => {
    const host = new Namespace('host')
    const sockets = 'npx bridgeport port ls; ls -l /run/guests'
    const text = await script(
      host,
      block('npm run build'),
      block('/run/guests'),
      sockets,
      'npx bridgeport down',
    )
    expect(text).toMatch(/^-netdev stream,id=net-vm3,.*\n-device .*\n-netdev dgram,id=net-vm4,/m)
    expect(text).toMatch(/^-device virtio-net-pci,netdev=net-vm5,.*,mq=on,vectors=6$/m)
    expect(text).toMatch(
      /^vm5 +default +vhost-user +\/run\/guests\/vm5.sock .* waiting \(no guest is connected\)$/m,
    )
    expect(text).toMatch(/^srw-rw---- 1 nobody root .* vm4.sock$/m)
    await leftNothing(host)
  })

  it.each([
    ['vm1', '--type qemu-tap --ifname vm1'],
    ['vm2', '--type vhost-user --owner'],
  ])('the guest of %s', async (name, type) => {
    const host = new Namespace('host')
    const disk = join(folder('readme'), 'disk.qcow2')
    // KVM inside a virtual machine may hang; nothing else of the line is changed.
    const guest = block(type)
      .replace('qemu-system-x86_64 -accel kvm', 'timeout 30 qemu-system-x86_64 -display none')
      .replace('disk.qcow2', disk)
      .trimEnd()
    const wait = `for i in $(seq 100); do npx bridgeport port ls | grep "^${name} .* up$" && break; done`
    const text = await script(
      host,
      `truncate -s 1M ${disk}`,
      block('npm run build'),
      `${guest} &`,
      wait,
      'npx bridgeport down',
      'kill %1 || true; wait || true',
    )
    expect(text).toMatch(new RegExp(`^${name} +default .* up$`, 'm'))
    await leftNothing(host)
  })
})
