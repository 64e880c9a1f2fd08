/** nat rules as users of a production host write them, beside what the switch translates itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Borough, CARD, HOST, ROUTER, WORLD } from '../lab/borough.ts'
import { cleanup } from '../lab/cleanup.ts'
import { says } from '../lab/command.ts'
import { Guest } from '../lab/guest.ts'
import { qemu, suite } from '../lab/peer.ts'

const networks = {
  red: {
    ...{ mode: 'nat', subnet: '10.1.0.0/24', gateway: '10.1.0.1', dhcp: 'off' },
    dns: { forward: [], names: { db: '10.1.0.20' } },
    uplink: { host: { link: '100.64.1.0/30' } },
    publish: ['tcp::8001-10.1.0.11:7000'],
  },
  blue: {
    ...{ mode: 'nat', subnet: '10.2.0.0/24', gateway: '10.2.0.1', dhcp: 'off', dns: 'off' },
    uplink: { nic: 'card0', address: `${CARD}/24`, gateway: ROUTER },
    publish: ['tcp::8002-10.2.0.11:7000'],
  },
}
const guests = {
  red: { network: 'red', address: '10.1.0.11' },
  blue: { network: 'blue', address: '10.2.0.11' },
  next: { network: 'blue', address: '10.2.0.12' },
}
/** Nets behind the switch that the world knows. */
const BEYOND = '198.51.100.0/24'
const IN = '-A PREROUTING -i blue-uplink'
const OUT = '-A POSTROUTING -o blue-uplink'

/** Sends datagrams from one port to ports of the world. */
const datagrams = (ports: number[]) =>
  `import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',5000)); [s.sendto(b'x',('${ROUTER}',p)) for p in ${JSON.stringify(ports)}]`

suite('nat rules', ['bash', 'tcpdump', 'dig', 'python3', 'curl', ...qemu], () => {
  let place: Borough
  beforeAll(async () => {
    const vm = { network: 'blue', type: 'qemu-tap', ifname: 'vm0', mac: '52:54:00:00:00:50' }
    place = await Borough.build({ networks, guests, ports: { vm0: vm } })
    await place
      .station('world')
      .shell(`ip route add ${BEYOND} via ${CARD} && ip route add 10.2.0.0/24 via ${CARD}`)
  })
  afterAll(cleanup)

  const flows = (part: string) =>
    place.cli('conntrack', 'ls').then((text) => text.split('\n').filter((line) => line.includes(part)))

  describe('from outside', () => {
    it('DNAT leads to a guest, beside what is published', async () => {
      await place.restore({
        nat: [`${IN} -p tcp -m tcp --dport 9000 -j DNAT --to-destination 10.2.0.12:7001`],
      })
      expect([await place.asks('world', CARD, 9000), await place.asks('world', CARD, 8002)]).toEqual([
        'next 198.18.0.1',
        'blue 198.18.0.1',
      ])
      expect(await place.asks('world', HOST, 8001)).toBe('red 10.1.0.1')
      expect(await place.silent('world', CARD, 9001)).toBe(true)
      expect(await place.asks('blue', ROUTER)).toBe(`world ${CARD}`)
    })

    it('a rule is asked before what is published, and ACCEPT exempts from it', async () => {
      await place.restore({
        nat: [`${IN} -p tcp -m tcp --dport 8002 -j DNAT --to-destination 10.2.0.12:7002`],
      })
      expect(await place.asks('world', CARD, 8002)).toBe('next 198.18.0.1')
      await place.restore({ nat: [`${IN} -p tcp -m tcp --dport 8002 -j ACCEPT`] })
      expect(await place.silent('world', CARD, 8002)).toBe(true)
    })

    it('what DNAT leads in, FORWARD may close', async () => {
      const nat = [`${IN} -p tcp -m tcp --dport 9000 -j DNAT --to-destination 10.2.0.12:7001`]
      await place.restore({
        nat,
        filter: ['-A FORWARD -d 10.2.0.12/32 -p tcp -m tcp --dport 7001 -j REJECT --reject-with tcp-reset'],
      })
      expect(await place.asks('world', CARD, 9000)).toBe('Connection refused')
      const pass = '-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT'
      await place.restore({
        nat,
        filter: [':FORWARD DROP', '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT', pass],
      })
      expect([await place.asks('world', CARD, 9000), await place.asks('world', CARD, 8002)]).toEqual([
        'next 198.18.0.1',
        'blue 198.18.0.1',
      ])
      expect([await place.asks('world', HOST, 8001), await place.asks('red', '10.1.0.1')]).toEqual([
        'red 10.1.0.1',
        expect.stringMatching(/^host /),
      ])
      expect(await place.counted(pass)).toBe(4)
    })
  })

  it('DNAT does not open what is closed between networks', async () => {
    const nat = ['-A PREROUTING -i blue -p tcp -m tcp --dport 9 -j DNAT --to-destination 10.1.0.11:7001']
    await place.restore({ nat })
    expect(await place.asks('blue', ROUTER, 9)).toBe('No route to host')
    await place.restore({ nat, filter: ['-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT'] })
    expect(await place.asks('blue', ROUTER, 9)).toBe('red 10.2.0.11')
  })

  it('a connection keeps its translation when its rule goes', async () => {
    await place.restore({ nat: [`${IN} -p tcp -m tcp --dport 9000 -j DNAT --to-destination 10.2.0.12:7300`] })
    const echo = `require('net').createServer((s) => s.pipe(s)).listen(7300, () => console.log('begun'))`
    await place.serve('next', /begun/, process.execPath, '-e', echo)
    const talk = `exec 3<>/dev/tcp/${CARD}/9000; while read line; do echo $line >&3; read -u 3 line; echo heard $line; done`
    const talker = place.station('world').spawn('bash', '-c', talk)
    for (const line of ['one', 'two']) {
      const heard = says(talker, new RegExp(`heard ${line}`))
      talker.stdin?.write(`${line}\n`)
      await heard
      await place.restore({})
    }
    expect(await place.silent('world', CARD, 9000)).toBe(true)
  })

  describe('to outside', () => {
    it('SNAT and MASQUERADE come before the mode’s own, ACCEPT exempts from it', async () => {
      await place.restore({ nat: [`${OUT} -s 10.2.0.12/32 -j SNAT --to-source 198.51.100.77`] })
      expect([await place.asks('next', ROUTER), await place.asks('blue', ROUTER)]).toEqual([
        'world 198.51.100.77',
        `world ${CARD}`,
      ])
      await place.restore({ nat: [`${OUT} -s 10.2.0.12/32 -j ACCEPT`] })
      expect([await place.asks('next', ROUTER), await place.asks('blue', ROUTER)]).toEqual([
        'world 10.2.0.12',
        `world ${CARD}`,
      ])
      await place.restore({
        nat: [
          `${OUT} -p tcp -j MASQUERADE --to-ports 40000-40001`,
          '-A POSTROUTING -o red-uplink -p tcp -j MASQUERADE --to-ports 40000-40001',
        ],
      })
      expect([await place.asks('blue', ROUTER, 7003), await place.asks('red', WORLD, 7003)]).toEqual([
        `world ${CARD}`,
        `world ${HOST}`,
      ])
      for (const flow of await flows('dport=7003')) expect(flow).toMatch(/ dport=4000[01] /)
    })

    it('NETMAP is one to one, both ways', async () => {
      await place.restore({
        nat: [
          `${IN} -d ${BEYOND} -j NETMAP --to 10.2.0.0/24`,
          `${OUT} -s 10.2.0.0/24 -j NETMAP --to ${BEYOND}`,
        ],
      })
      expect([await place.asks('world', '198.51.100.11'), await place.asks('next', ROUTER)]).toEqual([
        'blue 198.18.0.1',
        'world 198.51.100.12',
      ])
      expect([await place.pings('world', '198.51.100.12'), await place.pings('blue', ROUTER)]).toEqual([
        'reply',
        'reply',
      ])
    })

    it('the mode’s own mapping is what it was for what no rule translates', async () => {
      await place.restore({ nat: [`${OUT} -p tcp -j SNAT --to-source 198.51.100.77`] })
      for (const [name, ports] of [
        ['blue', [600]],
        ['next', [601, 602, 603]],
      ] as const)
        await place.namespace(name).exec(['python3', '-c', datagrams([...ports])])
      const mapped = (await flows('src=10.2.0.12'))
        .filter((line) => /sport=5000 dport=60/.test(line))
        .map((line) => [...line.matchAll(/dport=(\d+)/g)][1]?.[1])
      expect(mapped).toHaveLength(3)
      expect(new Set(mapped).size).toBe(1)
      expect(mapped[0]).not.toBe('5000')
    })
  })

  describe('REDIRECT', () => {
    it('names are asked here, whomever a guest asks', async () => {
      await place.restore({ nat: ['-A PREROUTING -i red -p udp -m udp --dport 53 -j REDIRECT'] })
      const dig = ['dig', `@${WORLD}`, '+short', '+tries=1', '+time=4', 'db.red.internal']
      expect(await place.namespace('red').exec(dig)).toBe('10.1.0.20\n')
    })

    it('a port of the gateway is the host’s, where guests may reach it', async () => {
      await place.restore({
        nat: [
          '-A PREROUTING -i red -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 7001',
          '-A PREROUTING -i blue -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 7001',
        ],
      })
      expect(await place.asks('red', WORLD, 80)).toMatch(/^host /)
      expect(await place.asks('blue', ROUTER, 80)).toBe('Connection refused')
    })
  })

  it('a machine behind QEMU is reached and reaches, as rules say', async () => {
    const vm = await Guest.boot({
      host: place.daemon.host,
      plug: { type: 'tap', ifname: 'vm0' },
      mac: '52:54:00:00:00:50',
      address: '10.2.0.50/24',
    })
    await vm.exec('ip route add default via 10.2.0.1')
    const nat = [
      `${IN} -p tcp -m tcp --dport 9080 -j DNAT --to-destination 10.2.0.50:80`,
      `${OUT} -s 10.2.0.50/32 -j SNAT --to-source 198.51.100.50`,
    ]
    await place.restore({
      nat,
      filter: ['-A FORWARD -i vm0 -p tcp -m tcp --dport 7002 -j REJECT --reject-with tcp-reset'],
    })
    expect(
      await place.namespace('world').exec(['curl', '-sf', '--max-time', '10', `http://${CARD}:9080/`]),
    ).not.toBe('')
    expect(await vm.exec(`nc ${ROUTER} 7001 </dev/null`)).toBe('world 198.51.100.50\n')
    await expect(vm.exec(`nc ${ROUTER} 7002 </dev/null`)).rejects.toThrow('refused')
    await vm.stop()
  })
})
