/** Whole rulesets: as Docker, libvirt and ufw write them, and replaced or restarted while packets pass. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Borough, CARD, HOST, ROUTER, RULES, WORLD } from '../lab/borough.ts'
import { cleanup } from '../lab/cleanup.ts'
import { pause, says } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'
import { Pinger } from '../lab/pinger.ts'
import { Tcpdump } from '../lab/tcpdump.ts'

const plain = { mode: 'nat', dhcp: 'off', dns: 'off' }
const link = (number: number) => ({ uplink: { host: { link: `100.64.${number}.0/30` } } })
const networks = {
  docker0: {
    ...{ ...plain, subnet: '172.17.0.0/24', gateway: '172.17.0.1' },
    uplink: { nic: 'card0', address: `${CARD}/24`, gateway: ROUTER },
  },
  'br-web': { ...plain, subnet: '172.18.0.0/24', gateway: '172.18.0.1', ...link(2) },
  virbr0: { ...plain, mode: 'routed', subnet: '192.168.122.0/24', gateway: '192.168.122.1', ...link(3) },
}
const guests = {
  web: { network: 'docker0', address: '172.17.0.2' },
  db: { network: 'docker0', address: '172.17.0.3' },
  other: { network: 'br-web', address: '172.18.0.2' },
  vm: { network: 'virbr0', address: '192.168.122.10' },
}
const [WEB, OTHER, VM] = ['172.17.0.2', '172.18.0.2', '192.168.122.10'] as const
const ESTABLISHED = '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'

const docker = {
  nat: [
    ':DOCKER - [0:0]',
    '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
    '-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER',
    '-A POSTROUTING -s 172.17.0.0/24 ! -o docker0 -j MASQUERADE',
    '-A POSTROUTING -s 172.18.0.0/24 ! -o br-web -j MASQUERADE',
    '-A DOCKER -i docker0 -j RETURN',
    '-A DOCKER -i br-web -j RETURN',
    '-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:7000',
  ],
  filter: [
    ':FORWARD DROP [0:0]',
    ':DOCKER - [0:0]',
    ':DOCKER-ISOLATION-STAGE-1 - [0:0]',
    ':DOCKER-ISOLATION-STAGE-2 - [0:0]',
    ':DOCKER-USER - [0:0]',
    '-A FORWARD -j DOCKER-USER',
    '-A FORWARD -j DOCKER-ISOLATION-STAGE-1',
    ...['docker0', 'br-web'].flatMap((bridge) => [
      `-A FORWARD -o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      `-A FORWARD -o ${bridge} -j DOCKER`,
      `-A FORWARD -i ${bridge} ! -o ${bridge} -j ACCEPT`,
      `-A FORWARD -i ${bridge} -o ${bridge} -j ACCEPT`,
      `-A DOCKER-ISOLATION-STAGE-1 -i ${bridge} ! -o ${bridge} -j DOCKER-ISOLATION-STAGE-2`,
      `-A DOCKER-ISOLATION-STAGE-2 -o ${bridge} -j DROP`,
    ]),
    '-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 7000 -j ACCEPT',
    '-A DOCKER-ISOLATION-STAGE-1 -j RETURN',
    '-A DOCKER-ISOLATION-STAGE-2 -j RETURN',
    '-A DOCKER-USER -j RETURN',
  ],
}

const libvirt = {
  filter: [
    ':LIBVIRT_FWI - [0:0]',
    ':LIBVIRT_FWO - [0:0]',
    ':LIBVIRT_FWX - [0:0]',
    '-A FORWARD -j LIBVIRT_FWX',
    '-A FORWARD -j LIBVIRT_FWI',
    '-A FORWARD -j LIBVIRT_FWO',
    '-A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A LIBVIRT_FWI -o virbr0 -j REJECT --reject-with icmp-port-unreachable',
    '-A LIBVIRT_FWO -s 192.168.122.0/24 -i virbr0 -j ACCEPT',
    '-A LIBVIRT_FWO -i virbr0 -j REJECT --reject-with icmp-port-unreachable',
    '-A LIBVIRT_FWX -i virbr0 -o virbr0 -j ACCEPT',
  ],
}

const ufw = {
  filter: [
    ':INPUT DROP [0:0]',
    ':FORWARD DROP [0:0]',
    ...[
      'before-input',
      'before-forward',
      'user-input',
      'user-forward',
      'user-limit',
      'user-limit-accept',
      'logging-deny',
      'skip',
    ].map((name) => `:ufw-${name} - [0:0]`),
    '-A INPUT -j ufw-before-input',
    '-A INPUT -j ufw-user-input',
    '-A FORWARD -j ufw-before-forward',
    '-A FORWARD -j ufw-user-forward',
    '-A FORWARD -j ufw-logging-deny',
    '-A ufw-before-input -i lo -j ACCEPT',
    '-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A ufw-before-input -m conntrack --ctstate INVALID -j DROP',
    '-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT',
    '-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT',
    '-A ufw-user-forward -i docker0 -o docker0-uplink -p tcp -m tcp --dport 7000 -j ACCEPT',
    '-A ufw-user-forward -i docker0 -o docker0-uplink -p tcp -m tcp --dport 7001 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --mask 255.255.255.255 --rsource',
    '-A ufw-user-forward -i docker0 -o docker0-uplink -p tcp -m tcp --dport 7001 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 3 --name DEFAULT --mask 255.255.255.255 --rsource -j ufw-user-limit',
    '-A ufw-user-forward -i docker0 -o docker0-uplink -p tcp -m tcp --dport 7001 -j ufw-user-limit-accept',
    '-A ufw-user-limit -m limit --limit 3/min -j LOG --log-prefix "[UFW LIMIT BLOCK] "',
    '-A ufw-user-limit -j REJECT --reject-with icmp-port-unreachable',
    '-A ufw-user-limit-accept -j ACCEPT',
    '-A ufw-logging-deny -m conntrack --ctstate INVALID -m limit --limit 3/min --limit-burst 10 -j RETURN',
    '-A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "',
  ],
}

suite('whole rulesets', ['bash', 'tcpdump', 'iperf3'], () => {
  let place: Borough
  beforeAll(async () => {
    place = await Borough.build({ networks, guests })
    await place.station('world').shell(`ip route add 192.168.122.0/24 via ${HOST}`)
    await place.station('host').shell(`ip route add 172.17.0.0/24 via 100.64.3.2`)
  })
  afterAll(cleanup)

  it('Docker’s: containers reach out and each other, a published port comes in, two bridges stay apart', async () => {
    await place.restore(docker)
    expect([
      await place.asks('web', ROUTER),
      await place.asks('other', WORLD),
      await place.pings('db', ROUTER),
    ]).toEqual([`world ${CARD}`, `world ${HOST}`, 'reply'])
    expect([await place.asks('world', CARD, 8080), await place.asks('db', WEB)]).toEqual([
      `web ${ROUTER}`,
      'web 172.17.0.3',
    ])
    expect(await place.silent('world', CARD, 7000)).toBe(true)
    expect([
      await place.silent('web', OTHER),
      await place.silent('other', WEB),
      await place.unheard('other', WEB),
    ]).toEqual([true, true, true])
    expect(await place.counted('-A DOCKER-ISOLATION-STAGE-2 -o')).toBeGreaterThan(2)
  })

  it('libvirt’s: a routed machine reaches out, nobody reaches it, and is told so', async () => {
    await place.restore({})
    expect(await place.asks('world', VM)).toBe(`vm ${WORLD}`)
    await place.restore(libvirt)
    expect([await place.asks('vm', WORLD), await place.pings('vm', WORLD)]).toEqual([`world ${VM}`, 'reply'])
    expect([await place.asks('world', VM), await place.pings('world', VM)]).toEqual([
      'Connection refused',
      'Destination Port Unreachable',
    ])
    expect(await place.asks('web', VM)).toBe('Connection refused')
  })

  it('ufw’s: what was allowed and nothing else, limited and logged', async () => {
    await place.restore(ufw)
    expect([
      await place.asks('web', ROUTER),
      await place.silent('web', ROUTER, 7002),
      await place.pings('web', ROUTER),
    ]).toEqual([`world ${CARD}`, true, 'reply'])
    expect(await place.told('[UFW BLOCK] ')).toMatchObject([{ text: expect.stringMatching(/DPT=7002/) }])
    const heard = []
    for (let count = 0; count < 3; count++) heard.push(await place.asks('web', ROUTER, 7001))
    expect(heard).toEqual([`world ${CARD}`, `world ${CARD}`, 'Connection refused'])
    expect((await place.told('[UFW LIMIT BLOCK] ')).length).toBe(1)
    expect(await place.pings('web', '172.17.0.1')).toBe('reply')
  })

  describe('while packets pass', () => {
    const marks = {
      raw: ['-A PREROUTING -i docker0 -j CT --zone 5', '-A PREROUTING -i docker0-uplink -j CT --zone 5'],
      mangle: ['-A PREROUTING -i docker0 -j CONNMARK --set-xmark 0x7/0xffffffff'],
    }

    it('rules are replaced: connections stay, marked as they were, and counters go on', async () => {
      const filter = (line: string) => [
        ':FORWARD DROP',
        ESTABLISHED,
        '-A FORWARD -i docker0 -o docker0-uplink -j ACCEPT',
        line,
      ]
      await place.restore({ ...marks, filter: filter('-A FORWARD -p tcp -j LOG --log-prefix "never: "') })
      const server = place.station('world').spawn('iperf3', '-s', '-1', '--forceflush')
      await says(server, /listening/)
      const stream = place.namespace('web').attempt(['iperf3', '-c', ROUTER, '-t', '4', '-b', '50M', '-J'])
      const pinger = new Pinger(place.namespace('db'), ROUTER, 0.02)
      await pause(500)
      let last = 0
      for (let count = 0; count < 10; count++) {
        await place.restore({ ...marks, filter: filter(`-A FORWARD -p udp -m udp --dport ${count} -j DROP`) })
        const now = await place.counted(ESTABLISHED)
        expect(now).toBeGreaterThanOrEqual(last)
        last = now
      }
      const flows = (await place.cli('conntrack', 'ls'))
        .split('\n')
        .filter((line) => line.includes('dport=5201'))
      expect(flows.length).toBeGreaterThan(1)
      for (const flow of flows)
        expect(flow).toMatch(/^tcp .* ESTABLISHED src=172\.17\.0\.2 .* mark=7 zone=5 use=1$/)
      await place.cli('reload')
      const report = JSON.parse((await stream).stdout)
      expect(report.error).toBeUndefined()
      expect(report.end.sum_received.bytes).toBeGreaterThan(10_000_000)
      expect(await pinger.stop(150)).toEqual([])
      expect(await place.counted(ESTABLISHED)).toBeGreaterThan(last)
    })

    it('a switch starts with its rules: not one packet passes before', async () => {
      const path = join(place.daemon.folder, RULES)
      writeFileSync(path, `*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i docker0 -p icmp -j DROP\nCOMMIT\n`)
      const capture = await Tcpdump.start(place.namespace('world'), 'card0', 'icmp')
      await place.daemon.stop()
      const knock = place
        .station('db')
        .spawn(
          'bash',
          '-c',
          `while :; do ip route replace default via 172.17.0.1 && ping -c 1 -W 0.05 ${ROUTER}; done`,
        )
      await place.daemon.up()
      await place.station('web').shell('ip route replace default via 172.17.0.1')
      expect(await place.asks('web', ROUTER)).toBe(`world ${CARD}`)
      knock.kill()
      expect((await capture.stop()).trim()).toBe('')
      expect(await place.counted('-p icmp -j DROP')).toBeGreaterThan(0)
      await place.restore({})
      expect(await place.pings('db', ROUTER)).toBe('reply')
    })
  })
})
