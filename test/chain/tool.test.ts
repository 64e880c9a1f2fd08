/** Rules as firewalls of every day write them, by the programs themselves where the machine has them: read, checked, and printed the same. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { check } from '../../src/chain/check.ts'
import { compile } from '../../src/chain/compile.ts'
import { restore } from '../../src/chain/restore.ts'
import { save } from '../../src/chain/save.ts'
import { folder } from '../lab/folder.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

/** Lines that count: comments aside, and the table that is for SELinux's labels. */
const plain = (text: string) => text.replace(/^#.*\n/gm, '').replace(/^\*security\n[^*]*?COMMIT\n/gm, '')
const sorted = (text: string) => text.split('\n').sort()

/** Reads, checks and compiles a text, and returns it as we print it. */
function printed(text: string): string {
  const ruleset = restore(text)
  check(ruleset, () => 'hash:ip')
  const { plan } = compile(ruleset, { kindOf: () => 'network', set: () => null }, null)
  expect(plan.sources.length).toBeGreaterThan(0)
  return save(ruleset, () => [0, 0], false)
}

/** Runs a script with its own network and its own view of the files, and returns what it prints. */
function run(script: string): Promise<string> {
  const namespace = new Namespace('tool')
  return namespace.exec(['unshare', '--mount', 'sh', '-e', '-c', script], { timeoutMs: 50_000 })
}

/** What the kernel's own iptables-save prints of the text. */
function reprinted(path: string): Promise<string> {
  return run(`iptables-legacy-restore ${path}; iptables-legacy-save`)
}

suite('ufw', ['ufw', 'unshare', 'iptables-save'], () => {
  it('writes rules that we read', { timeout: 60_000 }, async () => {
    const text = await run(`d=${folder('tool')}
      for each in /etc/ufw /etc/default /lib/ufw; do mkdir -p $d$each; cp -a $each/. $d$each; mount --bind $d$each $each; done
      sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw
      (ufw --force enable; ufw allow 22/tcp comment "secure shell"; ufw limit ssh; ufw reject out 25/tcp; ufw logging full
      ufw deny from 10.0.0.0/8 to any port 53 proto udp
      ufw allow proto tcp from 192.168.1.0/24 to any port 80,443,8000:8010
      ufw route allow in on eth0 out on eth1 to 10.0.0.2 port 80 proto tcp) >&2
      iptables-save`)
    expect(text).toContain('-A ufw-user-limit ')
    expect(printed(plain(text))).toBe(plain(text).replace(/\[\d+:\d+\]/g, '[0:0]'))
  })
})

suite('firewalld', ['firewalld', 'firewall-cmd', 'dbus-daemon', 'unshare', 'iptables-nft-save'], () => {
  it('writes rules that we read', { timeout: 60_000 }, async () => {
    const text = await run(`d=${folder('tool')}
      cp -a /etc/firewalld/. $d; mount --bind $d /etc/firewalld; mount -t tmpfs none /run; mkdir -p /run/dbus /run/firewalld
      sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/; s/^IPv6_rpfilter=.*/IPv6_rpfilter=no/' /etc/firewalld/firewalld.conf
      dbus-daemon --system --nofork --nopidfile >&2 & bus=$!
      trap 'kill $daemon $bus' EXIT
      export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket
      until [ -S /run/dbus/system_bus_socket ]; do sleep 0.1; done
      firewalld --nofork --nopid >&2 & daemon=$!
      until firewall-cmd --state >&2; do sleep 0.2; done
      (firewall-cmd --zone=public --add-service=http; firewall-cmd --zone=public --add-port=8000-8010/udp
      firewall-cmd --zone=public --add-masquerade; firewall-cmd --zone=dmz --add-source=192.168.5.0/24
      firewall-cmd --zone=public --add-forward-port=port=80:proto=tcp:toport=8080:toaddr=10.0.0.2
      firewall-cmd --zone=public --add-rich-rule='rule family=ipv4 source address=10.0.0.0/8 service name=ssh log prefix="ssh " level=info limit value=3/m accept') >&2
      iptables-nft-save`)
    expect(text).toContain('-A IN_public_allow ')
    expect(printed(plain(text))).toBe(plain(text).replace(/\[\d+:\d+\]/g, '[0:0]'))
  })
})

suite('ferm', ['ferm', 'unshare', 'iptables-legacy-save'], () => {
  it('writes rules that we read', async () => {
    const path = `${folder('tool')}/rules`
    writeFileSync(
      `${path}.ferm`,
      `table filter { chain INPUT { policy DROP;
        mod state state INVALID DROP; mod state state (ESTABLISHED RELATED) ACCEPT; interface lo ACCEPT;
        proto icmp icmp-type echo-request ACCEPT; proto udp dport 500 ACCEPT; proto (esp ah) ACCEPT;
        proto tcp dport (22 80 443) mod conntrack ctstate NEW mod limit limit 10/minute limit-burst 5 ACCEPT;
        saddr (10.0.0.0/8 192.168.0.0/16) proto tcp dport 3306 @subchain "db" {
          mod hashlimit hashlimit 5/second hashlimit-mode srcip hashlimit-name db ACCEPT; LOG log-prefix "db: "; DROP; }
        REJECT reject-with icmp-admin-prohibited; }
        chain FORWARD { policy DROP; mod comment comment "two words" interface eth0 outerface ppp+ ACCEPT; } }
      table nat { chain POSTROUTING { saddr 10.0.0.0/8 outerface ppp0 MASQUERADE; source 10.1.0.0/16 SNAT to 1.2.3.4; }
        chain PREROUTING { interface ppp0 daddr 1.2.3.4 proto tcp dport 80 DNAT to 10.0.0.2:8080;
          proto tcp dport 3128 REDIRECT to-ports 3129; } }
      table mangle { chain FORWARD { proto tcp tcp-flags (SYN RST) SYN TCPMSS clamp-mss-to-pmtu; DSCP set-dscp-class EF; }
        chain PREROUTING { mod mark mark 0x1/0xf CONNMARK save-mark; MARK set-mark 7; } }`,
    )
    const text = await run(`ferm --noexec --lines ${path}.ferm | tee ${path}`)
    expect(sorted(printed(text))).toEqual(sorted(plain(await reprinted(path))))
  })
})

suite('shorewall', ['shorewall', 'unshare', 'iptables-legacy-save'], () => {
  it('writes rules that we read', async () => {
    const path = folder('tool')
    mkdirSync(`${path}/etc`)
    const text =
      await run(`cd ${path}; cp /usr/share/doc/shorewall/examples/two-interfaces/* etc; gunzip -qf etc/*.gz || true
      sed -i 's/^AUTOHELPERS=.*/AUTOHELPERS=No/; s/^HELPERS=.*/HELPERS=none/' etc/shorewall.conf
      shorewall check -r etc > all 2>&1
      (sed -n '/^\\*raw/,$p' all | sed '/EOF/,$d'; echo COMMIT) | tee rules`)
    expect(text).toContain('-A FORWARD ')
    expect(sorted(printed(text))).toEqual(sorted(plain(await reprinted(`${path}/rules`))))
  })
})

/** Written by hand after what the programs leave behind: they want a daemon, or a cluster. */
const others: Record<string, string> = {
  Docker: `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
`,
  libvirt: `*mangle
:LIBVIRT_PRT - [0:0]
-A POSTROUTING -j LIBVIRT_PRT
COMMIT
*nat
:LIBVIRT_PRT - [0:0]
-A POSTROUTING -j LIBVIRT_PRT
-A LIBVIRT_PRT -s 192.168.122.0/24 -d 224.0.0.0/24 -j RETURN
-A LIBVIRT_PRT -s 192.168.122.0/24 -d 255.255.255.255/32 -j RETURN
-A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p tcp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p udp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 192.168.122.0/24 ! -d 192.168.122.0/24 -j MASQUERADE
COMMIT
*filter
:LIBVIRT_FWI - [0:0]
:LIBVIRT_FWO - [0:0]
:LIBVIRT_INP - [0:0]
-A INPUT -j LIBVIRT_INP
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT
-A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable
-A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT
-A LIBVIRT_INP -i virbr0 -p tcp -m tcp --dport 67 -j ACCEPT
COMMIT
`,
  'kube-proxy': `*nat
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP-A - [0:0]
:KUBE-SEP-B - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-TCOU7JCQXEZGVUNU - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SEP-A -s 10.244.0.2/32 -m comment --comment "kube-system/kube-dns:dns" -j KUBE-MARK-MASQ
-A KUBE-SEP-A -p udp -m comment --comment "kube-system/kube-dns:dns" -m udp -j DNAT --to-destination 10.244.0.2:53
-A KUBE-SEP-B -s 10.244.0.3/32 -m comment --comment "kube-system/kube-dns:dns" -m recent --set --name KUBE-SEP-B --mask 255.255.255.255 --rsource -j DNAT --to-destination 10.244.0.3
-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-TCOU7JCQXEZGVUNU
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-TCOU7JCQXEZGVUNU ! -s 10.244.0.0/16 -d 10.96.0.10/32 -p udp -m udp --dport 53 -j KUBE-MARK-MASQ
-A KUBE-SVC-TCOU7JCQXEZGVUNU -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
-A KUBE-SVC-TCOU7JCQXEZGVUNU -j KUBE-SEP-B
COMMIT
`,
}

suite('Docker, libvirt and kube-proxy', ['unshare', 'iptables-legacy-save'], () => {
  it.each(Object.entries(others))('%s writes rules that we read', async (_name, text) => {
    const path = `${folder('tool')}/rules`
    writeFileSync(path, text)
    expect(sorted(printed(text))).toEqual(sorted(plain(await reprinted(path))))
  })
})
