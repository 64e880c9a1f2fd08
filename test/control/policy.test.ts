/**
 * Firewalls as they stand on real hosts: loaded into a namespace that plays the host, with a guest behind a link and an outside behind
 * a card. What is said to block must block, a TCP connection shows it, and after the command that is named it must pass.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { bundle } from '../lab/bundle.ts'
import { cleanup } from '../lab/cleanup.ts'
import { must } from '../lab/command.ts'
import { serveEcho } from '../lab/exchange.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

interface Blockage {
  text: string
  remedy: string
}

/** Rules as Docker 28 leaves them, by `iptables-save`. */
const docker = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
`

/** Rules of a careful administrator, with what an evaluation must not get wrong. */
const open = `
table inet filter {
  set inside { type ifname; elements = { "lan", "bp-x" } }
  chain states { ct state vmap { established : accept, related : accept, invalid : drop }; }
  chain forward {
    type filter hook forward priority 0; policy drop;
    jump states
    iifname != "bp-x" ip saddr 100.64.0.0/24 drop
    tcp dport 22 drop
    iifname @inside oifname "w*" counter accept
  }
}
table ip other { chain early { type filter hook forward priority -5; policy accept; iif lo drop; } }
`

suite('the host’s firewall', ['nft', 'iptables-nft', 'iptables-legacy', 'bash'], () => {
  let program = ''
  let host: Namespace
  let guest: Namespace
  let outside: Namespace
  beforeAll(() => {
    program = bundle('test/control/blockages.ts')
  })
  beforeEach(async () => {
    host = new Namespace('h')
    guest = new Namespace('g')
    outside = new Namespace('o')
    const wire = async (ifname: string, address: string, to: Namespace, far: string) => {
      const ends = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', to.name]
      await host.exec(['ip', 'link', 'add', ifname, ...ends])
      await host.exec(['ip', 'addr', 'add', address, 'dev', ifname])
      await host.exec(['ip', 'link', 'set', ifname, 'up'])
      await to.exec(['ip', 'addr', 'add', far, 'dev', 'eth0'])
      await to.exec(['ip', 'link', 'set', 'eth0', 'up'])
    }
    await wire('bp-x', '100.64.0.1/30', guest, '100.64.0.2/30')
    await wire('wan', '192.0.2.2/24', outside, '192.0.2.1/24')
    await guest.exec(['ip', 'route', 'add', 'default', 'via', '100.64.0.1'])
    await outside.exec(['ip', 'route', 'add', 'default', 'via', '192.0.2.2'])
    await host.exec(['ip', 'route', 'add', 'default', 'via', '192.0.2.1'])
    await host.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
    await serveEcho(outside)
    await serveEcho(guest)
  })
  afterAll(cleanup)

  const tcp = (to: string) => ['timeout', '1', 'bash', '-c', `exec 3<>/dev/tcp/${to}/7`]
  const reaches = async () => (await guest.attempt(tcp('192.0.2.1'))).status === 0
  const isReached = async () => (await outside.attempt(tcp('100.64.0.2'))).status === 0
  const look = async (...argv: string[]) =>
    JSON.parse(await host.exec([process.execPath, program, 'bp-x', ...argv])) as Blockage[]
  const load = (text: string) => host.exec(['nft', '-f', '-'], { input: text.replace(/; \}/g, '\n}\n') })

  /** Blocked by `who`; open after the remedy; `run` runs a command where that firewall is at home. */
  async function opens(who: string, run = (command: string) => host.exec(['sh', '-c', command])) {
    const found = await look()
    expect(found).toHaveLength(1)
    expect(found[0].text).toContain(`(${who}, chain`)
    expect(await reaches()).toBe(false)
    await run(found[0].remedy)
    expect([await reaches(), await look()]).toEqual([true, []])
    return found[0].remedy
  }

  it('nothing stops what nobody filters', async () => {
    expect([await look(), await look('routed'), await reaches(), await isReached()]).toEqual([
      [],
      [],
      true,
      true,
    ])
  })

  it('nftables: a policy, and rules that let the link pass', async () => {
    await load(open)
    expect([await look(), await reaches()]).toEqual([[], true])
    await load(
      'flush ruleset; table ip mine { chain fw { type filter hook forward priority 0; policy drop; } }',
    )
    const remedy = await opens('nftables')
    expect(remedy).toMatch(/^nft 'insert rule ip mine fw iifname bp-x accept; /)
  })

  it('nftables: a rule that rejects, under a policy that accepts; the answers alone', async () => {
    const chain = 'chain fw { type filter hook forward priority 0; policy accept; '
    await load(`table inet mine { ${chain} iifname "bp-x" oifname { "lan", "wan" } reject; } }`)
    expect(await opens('nftables')).toContain('inet mine fw')
    await load(`flush ruleset; table inet mine { ${chain} oifname "bp-x" drop; } }`)
    expect((await look())[0].text).toContain('drops the answers')
    await opens('nftables')
  })

  it('firewalld: its zones, and its command in words that it would obey', async () => {
    await load(`table inet firewalld {
      chain filter_FWD_public { jump nothing; reject with icmpx admin-prohibited; }
      chain filter_FWD_trusted { jump nothing; accept; }
      chain nothing { }
      chain filter_FORWARD_ZONES { goto filter_FWD_public; }
      chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        ip6 daddr { ::/96, 2002::/24 } reject with icmpv6 addr-unreachable
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
      }
    }`)
    const rule = 'inet firewalld filter_FORWARD_ZONES iifname "bp-x" goto filter_FWD_trusted'
    const remedy = await opens('firewalld', () => host.exec(['nft', 'insert', 'rule', ...rule.split(' ')]))
    expect(remedy).toBe('firewall-cmd --zone=trusted --add-interface=bp-x')
  })

  it('a routed network is asked for from outside too', async () => {
    const rules = 'ct state established accept; iifname "bp-x" accept;'
    await load(`table inet mine { chain fw { type filter hook forward priority 0; policy drop; ${rules} } }`)
    expect([await look(), await reaches(), await isReached()]).toEqual([[], true, false])
    const [blockage] = await look('routed')
    expect(blockage.text).toContain('drops what comes in')
    await host.exec(['sh', '-c', blockage.remedy])
    expect([await isReached(), await look('routed')]).toEqual([true, []])
  })

  it.each(['iptables-nft', 'iptables-legacy'])('%s: a policy, and what Docker leaves', async (tables) => {
    await host.exec([tables, '-P', 'FORWARD', 'DROP'])
    expect(await opens('iptables')).toMatch(new RegExp(`^${tables} -I FORWARD -i bp-x -j ACCEPT && `))
    await host.exec([`${tables}-restore`], { input: docker })
    expect(await opens('Docker')).toContain('-I DOCKER-USER -o bp-x -m conntrack')
  })

  it('iptables-legacy: user chains, returns, gotos, inverted interfaces and addresses', async () => {
    const rules = `*filter
:FORWARD DROP [0:0]
:one - [0:0]
:two - [0:0]
-A FORWARD -m comment --comment "back and forth" -j one
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -g two
-A one ! -i bp-x -j RETURN
-A one -p udp -j DROP
-A one ! -s 100.64.0.0/10 -j DROP
-A two -o lan -j DROP
-A two -i bp+ -d 192.0.2.0/24 -j ACCEPT
-A two -i bp-x -p tcp -j ACCEPT
COMMIT
`
    await host.exec(['iptables-legacy-restore'], { input: rules })
    expect([await look(), await reaches()]).toEqual([[], true])
  })

  it('tables of iptables-legacy that are not loaded stay so', async () => {
    await look()
    expect((await host.exec(['cat', '/proc/net/ip_tables_names'])).trim()).toBe('')
  })
})

/**
 * A host with a link to nowhere, in a mount namespace of its own (the firewall's own files stay as they are), and a script that is the firewall's
 * start, the look, the remedy, and the look again.
 */
async function asks(start: string): Promise<Blockage[][]> {
  const host = new Namespace('h')
  const program = bundle('test/control/blockages.ts')
  const place = folder('firewall')
  for (const [ifname, address] of [
    ['bp-x', '100.64.0.1/30'],
    ['wan', '192.0.2.2/24'],
  ]) {
    await host.exec(['ip', 'link', 'add', ifname, 'type', 'veth', 'peer', 'name', `${ifname}-far`])
    await host.exec(['ip', 'addr', 'add', address, 'dev', ifname])
    for (const each of [ifname, `${ifname}-far`]) await host.exec(['ip', 'link', 'set', each, 'up'])
  }
  await host.exec(['ip', 'route', 'add', 'default', 'via', '192.0.2.1'])
  const look = `${process.execPath} ${program} bp-x`
  const remedy = `${process.execPath} -pe 'JSON.parse(require("fs").readFileSync("${place}/1"))[0].remedy'`
  writeFileSync(
    join(place, 'script'),
    `set -e; d=${place}\n${start}\n${look} > $d/1; eval "$(${remedy})" >&2; ${look} > $d/2\n`,
  )
  await host.exec(['unshare', '-m', 'bash', join(place, 'script')], { timeoutMs: 20_000 })
  for (const pid of host.pids()) process.kill(pid, 'SIGKILL')
  return Promise.all(['1', '2'].map(async (name) => JSON.parse(await must(['cat', join(place, name)]))))
}

suite('ufw on the host', ['ufw', 'unshare'], () => {
  afterAll(cleanup)

  it('ufw', async () => {
    const [before, after] = await asks(`
    cp -a /etc/ufw $d/etc; cp -a /lib/ufw $d/lib; sed s/IPV6=yes/IPV6=no/ /etc/default/ufw > $d/default
    mount --bind $d/etc /etc/ufw; mount --bind $d/lib /lib/ufw; mount --bind $d/default /etc/default/ufw
    ufw --force enable >&2`)
    expect(before).toMatchObject([{ remedy: 'ufw route allow in on bp-x' }])
    expect(before[0].text).toContain('(ufw, chain FORWARD) drops what leaves between bp-x and wan')
    expect(after).toEqual([])
  })
})

suite('firewalld on the host', ['firewalld', 'firewall-cmd', 'dbus-daemon', 'unshare'], () => {
  afterAll(cleanup)

  it('firewalld', async () => {
    const [before, after] = await asks(`
    allow='<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>'
    echo "<busconfig><type>system</type><listen>unix:path=$d/bus</listen><auth>EXTERNAL</auth>
      <policy context='default'>$allow<allow send_type='method_call'/></policy></busconfig>" > $d/bus.conf
    cp -a /etc/firewalld $d/etc; mount --bind $d/etc /etc/firewalld
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$d/bus
    dbus-daemon --config-file=$d/bus.conf --nofork > /dev/null 2>&1 &
    for i in $(seq 100); do [ -S $d/bus ] && break; sleep 0.05; done
    firewalld --nofork --nopid > /dev/null 2>&1 &
    for i in $(seq 100); do firewall-cmd --state >&2 2>/dev/null && break; sleep 0.1; done`)
    expect(before).toMatchObject([{ remedy: 'firewall-cmd --zone=trusted --add-interface=bp-x' }])
    expect(before[0].text).toContain('(firewalld, chain filter_FORWARD)')
    expect(after).toEqual([])
  })
})
