/**
 * The Debian package: its files, its pages, its units, and the switch out of it, with the rights of its service and no others. /usr/lib and
 * /usr/bin have the package's files laid over them in a mount namespace, so that nothing of the clone is in reach.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup, defer } from '../lab/cleanup.ts'
import { must, mustSync } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { cable, Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { root } from '../style/source.ts'

const needed = ['dpkg-deb', 'dpkg-shlibdeps', 'strip', 'man', 'systemd-analyze', 'setpriv', 'dig', 'curl']

suite('the Debian package', needed, () => {
  let deb: string
  let tree: string

  const pack = async () => {
    const [made = ''] = (await must([process.execPath, 'scripts/package.mjs'], { timeoutMs: 60_000 }))
      .trim()
      .split('\n')
    return join(process.cwd(), made)
  }

  beforeAll(async () => {
    deb = await pack()
    tree = folder('package')
    await must(['dpkg-deb', '-x', deb, tree])
  })
  afterAll(cleanup)

  it('is the same each time, and has everything in its place', async () => {
    const before = readFileSync(deb)
    expect(readFileSync(await pack()).equals(before)).toBe(true)
    const list = await must(['dpkg-deb', '-c', deb])
    for (const path of [
      'usr/bin/bridgeport',
      'usr/lib/bridgeport/build/Release/bridgeport.node',
      'usr/lib/bridgeport/node_modules/fastify/package.json',
      'usr/lib/bridgeport/dist/page/index.html',
      'lib/systemd/system/bridgeport.service',
      'usr/lib/systemd/user/bridgeport.service',
      'etc/bridgeport/bridgeport.yaml',
      'usr/share/bash-completion/completions/bridgeport',
      ...['README.md', 'copyright', 'changelog.gz', 'examples/nat.yaml'].map(
        (name) => `usr/share/doc/bridgeport/${name}`,
      ),
      ...['openapi.json', 'alerts.yml', 'grafana.json'].map(
        (name) => `usr/share/doc/bridgeport/docs/${name}`,
      ),
    ])
      expect(list).toMatch(new RegExp(` root/root .* \\./${path}$`, 'm'))
    expect(list).not.toMatch(/node_modules\/(vitest|typescript|esbuild)\//)
    expect(await must(['dpkg-deb', '-I', deb, 'conffiles'])).toBe('/etc/bridgeport/bridgeport.yaml\n')
    expect(await must(['dpkg-deb', '-f', deb, 'Depends', 'Recommends'])).toMatch(
      /libc6 \(>= [\s\S]*nodejs \(>= 20\)/,
    )
    for (const name of ['postinst', 'prerm', 'postrm'])
      await must(['sh', '-n', '-c', await must(['dpkg-deb', '-I', deb, name])])
  })

  it('its manual pages are well formed and name every command', async () => {
    const pages = join(tree, 'usr/share/man')
    const paths = readdirSync(pages).flatMap((part) =>
      readdirSync(join(pages, part)).map((name) => join(pages, part, name)),
    )
    expect(paths).toHaveLength(3)
    for (const path of paths) {
      const argv = ['sh', '-c', 'man --warnings -E UTF-8 -l -Tutf8 "$1" 2>&1 > /dev/null', 'sh', path]
      expect(await must(argv, { env: { LC_ALL: 'C.UTF-8', MANWIDTH: '80' } })).toBe('')
    }
    const text = await must(['man', '-l', join(pages, 'man1/bridgeport.1.gz')], {
      env: { LC_ALL: 'C.UTF-8' },
    })
    for (const name of ['port add', 'rules restore', 'capture', 'top'])
      expect(text).toContain(`   bridgeport ${name}\n`)
  })

  it('its completion knows commands and options', async () => {
    const file = join(tree, 'usr/share/bash-completion/completions/bridgeport')
    const words = 'COMP_WORDS=(bridgeport port add vm --n); COMP_CWORD=4'
    const script = `source "$1"; ${words}; _bridgeport; echo "\${COMPREPLY[@]}"`
    expect(await must(['bash', '-c', script, 'bash', file])).toBe('--network --netns --no-offload\n')
  })

  it("its units are valid, and the system's is as confined as README says", async () => {
    const place = folder('unit')
    for (const path of ['lib/systemd/system', 'usr/lib/systemd/user']) {
      const unit = join(place, 'bridgeport.service')
      // Only an installed command could be found.
      const text = readFileSync(join(tree, path, 'bridgeport.service'), 'utf8')
      writeFileSync(unit, text.replace(/^(Exec\w+=)bridgeport/gm, `$1${tree}/usr/bin/bridgeport`))
      expect(await must(['sh', '-c', 'systemd-analyze verify --man=no "$1" 2>&1', 'sh', unit])).toBe('')
    }
    const unit = join(tree, 'lib/systemd/system/bridgeport.service')
    const said = await must([
      'systemd-analyze',
      'security',
      '--offline=true',
      '--threshold=30',
      '--no-pager',
      unit,
    ])
    const [, exposure] = /exposure level for .*: (\d\.\d)/.exec(said) ?? []
    expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain(
      `\`systemd-analyze security\` gives it ${exposure}`,
    )
  })

  it('the switch does its work with the rights of its service', async () => {
    const host = new Namespace('host')
    const world = new Namespace('world')
    const guest = new Namespace('guest')
    cable(host, 'up0', world, 'eth0')
    mustSync(...world.argv('sh', '-c', 'ip addr add 192.0.2.1/24 dev eth0; ip link set eth0 up'))
    mustSync(
      ...host.argv(
        'sh',
        '-c',
        'ip addr add 192.0.2.10/24 dev up0; ip link set up0 up; ip route add default via 192.0.2.1',
      ),
    )
    const unit = readFileSync(join(tree, 'lib/systemd/system/bridgeport.service'), 'utf8')
    const [, rights = ''] = /^CapabilityBoundingSet=(.*)$/m.exec(unit) ?? []
    const set = rights.split(' ').map((name) => `+${name.slice('CAP_'.length).toLowerCase()}`)
    const kept = `-all,${set.join(',')}`
    const place = join(tree, 'run')
    // The user of the service: here one that every Debian has.
    const script = `
      mount -t overlay overlay -o "lowerdir=$1/usr/lib:/usr/lib" /usr/lib
      mount -t overlay overlay -o "lowerdir=$1/usr/bin:/usr/bin" /usr/bin
      mount -t overlay overlay -o "lowerdir=$1/etc:/etc" /etc
      chmod 755 "$2"; mount --bind "$2" /var/lib; mkdir -p /var/lib/bridgeport "$3"
      chown nobody /var/lib/bridgeport "$3"; cd /
      export BRIDGEPORT_SOCKET="$3/switch.sock"
      setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs --bounding-set=$4 --inh-caps=$4 --ambient-caps=$4 \\
        bridgeport up & daemon=$!
      trap 'kill $daemon $(jobs -p) 2> /dev/null' EXIT
      until bridgeport status > /dev/null 2>&1; do kill -0 $daemon; sleep 0.1; done
      bridgeport --version
      cat /proc/$daemon/status | grep -E 'Uid|CapEff|NoNewPrivs'
      bridgeport port add guest --network default --type tap --netns $5 --address dhcp
      bridgeport port add tap --network default --type qemu-tap --ifname vm1 --owner daemon
      bridgeport port add vm2 --network default --type vhost-user --owner daemon
      stat -c '%U %a' "$3/vm2.sock"
      nsenter --net=/run/netns/$5 ping -c 1 -W 5 192.0.2.1
      bridgeport run --network default --publish 80:80 -- sh -c 'dig +tcp +short gateway.default.internal; cd /; timeout 20 python3 -m http.server 80' &
      until nsenter --net=/run/netns/$6 curl -sf -m 2 -o /dev/null http://192.0.2.10/; do sleep 0.2; done
      echo published; cat /proc/sys/net/ipv4/conf/up0/forwarding
      bridgeport port ls; bridgeport down; wait $daemon
      cat /proc/sys/net/ipv4/conf/up0/forwarding`
    const state = folder('state')
    const argv = ['unshare', '-m', '--propagation', 'slave', 'bash', '-e', '-c', script, 'bash']
    const given = [tree, state, place, kept, guest.name, world.name]
    defer(() => mustSync('rm', '-rf', place))
    const text = await host.exec([...argv, ...given], { timeoutMs: 50_000 })
    expect(existsSync(join(state, 'bridgeport/runtime.yaml'))).toBe(true)
    expect(text).toMatch(/^Uid:\t65534\t65534/m)
    expect(text).toMatch(/^NoNewPrivs:\t1$/m)
    expect(text).toMatch(/^daemon 660$/m)
    expect(text).toMatch(/^1 packets transmitted, 1 received/m)
    expect(text).toMatch(/^10\.0\.2\.2$/m)
    expect(text).toMatch(/^published\n1$/m)
    expect(text).toMatch(/^guest +default +tap +eth0 .* up$/m)
    expect(text).toMatch(/^0$/m)
    expect(host.interfaces()).toEqual(['up0'])
  })
})
