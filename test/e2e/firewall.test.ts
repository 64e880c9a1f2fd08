/** Filter rules as users of a production host write them, with kernels on both sides of the switch. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BESIDE, Borough, HOST, WORLD } from '../lab/borough.ts'
import { cleanup } from '../lab/cleanup.ts'
import { suite } from '../lab/peer.ts'

const dns = { forward: [], names: { db: '10.1.0.20' } }
const plain = { dhcp: 'off', dns: 'off' }
const networks = {
  red: {
    mode: 'nat',
    ...{ subnet: '10.1.0.0/24', gateway: '10.1.0.1', dns, dhcp: { range: '10.1.0.100-10.1.0.120' } },
    ...{ uplink: { host: { link: '100.64.1.0/30' } }, publish: ['tcp::8001-10.1.0.11:7000'] },
  },
  blue: {
    mode: 'nat',
    ...{ subnet: '10.2.0.0/24', gateway: '10.2.0.1', ...plain },
    uplink: { nic: 'card0', address: '198.18.0.2/24', gateway: '198.18.0.1' },
  },
  solo: { mode: 'nat', isolated: true, subnet: '10.3.0.0/24', gateway: '10.3.0.1', uplink: 'none', ...plain },
  lab: { mode: 'host-only', subnet: '10.4.0.0/24', gateway: '10.4.0.1' },
  lan: { mode: 'bridged', uplink: { nic: 'card1' }, filterBridged: true },
  dark: { mode: 'internal', subnet: '10.5.0.0/24', gateway: '10.5.0.1' },
  open: {
    mode: 'routed',
    ...{ subnet: '10.6.0.0/24', gateway: '10.6.0.1', ...plain, uplink: { host: { link: '100.64.6.0/30' } } },
  },
  flat: {
    ...{ mode: 'nat', subnet: '10.7.0.0/24', gateway: '10.7.0.1', ...plain, filterBridged: true },
    ...{ uplink: { host: { link: '100.64.7.0/30' } }, publish: ['tcp::8007-10.7.0.11:7000'] },
  },
}
const guests = {
  red: { network: 'red', address: '10.1.0.11' },
  late: { network: 'red', address: '10.1.0.12', isBare: true },
  blue: { network: 'blue', address: '10.2.0.11' },
  solo: { network: 'solo', address: '10.3.0.11' },
  alone: { network: 'solo', address: '10.3.0.12' },
  lab: { network: 'lab', address: '10.4.0.11' },
  keen: { network: 'lab', address: '', isBare: true },
  lan: { network: 'lan', address: '10.8.0.11' },
  dark: { network: 'dark', address: '10.5.0.11' },
  open: { network: 'open', address: '10.6.0.11' },
  one: { network: 'flat', address: '10.7.0.11' },
  two: { network: 'flat', address: '10.7.0.12' },
}
const [RED, BLUE, ALONE, DARK, OPEN] = [
  '10.1.0.11',
  '10.2.0.11',
  '10.3.0.12',
  '10.5.0.11',
  '10.6.0.11',
] as const
const ESTABLISHED = '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'
const SHUT = 'No route to host'

suite('filter rules', ['bash', 'tcpdump', 'busybox', 'dig', 'python3', 'curl'], () => {
  let place: Borough
  beforeAll(async () => {
    place = await Borough.build({ networks, guests })
  })
  afterAll(cleanup)

  describe('between networks', () => {
    const pairs = [
      ['red', 'blue', BLUE],
      ['blue', 'red', RED],
      ['red', 'dark', DARK],
      ['dark', 'red', RED],
      ['open', 'red', RED],
      ['solo', 'blue', BLUE],
    ] as const

    it.each(pairs)(
      '%s → %s: a policy opens nothing, an ACCEPT exactly what it says',
      async (from, to, address) => {
        await place.restore({ filter: [':FORWARD ACCEPT'] })
        expect([await place.asks(from, address), await place.pings(from, address)]).toEqual([
          SHUT,
          'Packet filtered',
        ])
        const rule = `-A FORWARD -i ${from} -o ${to} -p tcp -m tcp --dport 7000 -j ACCEPT`
        await place.restore({ filter: [rule] })
        expect(await place.asks(from, address)).toMatch(new RegExp(`^${to} 10\\.`))
        expect([await place.asks(from, address, 7001), await place.pings(from, address)]).toEqual([
          SHUT,
          'Packet filtered',
        ])
      },
    )

    it('answers need what everybody writes where the policy drops', async () => {
      const rule = '-A FORWARD -i red -o blue -p tcp -m tcp --dport 7000 -j ACCEPT'
      await place.restore({ filter: [':FORWARD DROP', rule] })
      expect(await place.silent('red', BLUE)).toBe(true)
      await place.restore({ filter: [':FORWARD DROP', ESTABLISHED, rule] })
      expect(await place.asks('red', BLUE)).toBe('blue 10.1.0.11')
      expect([await place.silent('red', BLUE, 7001), await place.silent('blue', RED)]).toEqual([true, true])
    })

    it('what modes allow, rules and policies close', async () => {
      await place.restore({})
      expect(await place.asks('red', OPEN)).toBe(`open ${RED}`)
      await place.restore({ filter: [':FORWARD DROP'] })
      expect([await place.silent('red', OPEN), await place.silent('red', WORLD)]).toEqual([true, true])
    })

    it('guests of an isolated network stay apart whatever rules say', async () => {
      await place.restore({ filter: ['-A FORWARD -j ACCEPT'] })
      await place.station('solo').shell(`ip route replace ${ALONE} via 10.3.0.1`)
      expect(await place.asks('solo', ALONE)).toBe(SHUT)
      await place.station('solo').shell(`ip route del ${ALONE}`)
      expect([await place.silent('solo', ALONE), await place.counted('-A FORWARD')]).toEqual([true, 0])
    })
  })
  describe('to the gateway itself', () => {
    const names = async (at: string, ...how: string[]) => {
      const argv = ['dig', '@10.1.0.1', '+short', '+tries=1', '+time=2', ...how, 'db.red.internal']
      return /^10\..*/m.exec((await place.namespace(at).attempt(argv)).stdout)?.[0] ?? ''
    }
    const usual = [
      '-A INPUT -p udp -m udp --dport 67 -j ACCEPT',
      '-A INPUT -p udp -m udp --dport 53 -j ACCEPT',
      '-A INPUT -p tcp -m tcp --dport 53 -j ACCEPT',
      '-A INPUT -p icmp -j ACCEPT',
    ]

    it('nobody is served where the policy drops, and no guest loses what rules do not touch', async () => {
      await place.restore({ filter: [':INPUT DROP'] })
      expect(
        await Promise.all([
          place.lease('late'),
          names('red'),
          names('red', '+tcp'),
          place.unheard('red', '10.1.0.1'),
        ]),
      ).toEqual(['', '', '', true])
      expect(await place.asks('red', WORLD)).toMatch(/^world /)
    })

    it('addresses, names over UDP and TCP, and pings come back with the usual rules', async () => {
      await place.restore({ filter: [':INPUT DROP', ':FORWARD DROP', ...usual] })
      expect(await place.lease('late')).toBe('10.1.0.100')
      expect(
        await Promise.all([names('red'), names('late', '+tcp'), place.pings('late', '10.1.0.1')]),
      ).toEqual(['10.1.0.20', '10.1.0.20', 'reply'])
      for (const rule of usual) expect(await place.counted(rule), rule).toBeGreaterThan(0)
    })

    it('its answers pass OUTPUT', async () => {
      await place.restore({ filter: [':OUTPUT DROP'] })
      expect(
        await Promise.all([names('red'), place.lease('late'), place.unheard('red', '10.1.0.1')]),
      ).toEqual(['', '', true])
      await place.restore({
        filter: [':OUTPUT DROP', '-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT'],
      })
      expect(await Promise.all([names('red'), names('red', '+tcp'), place.pings('red', '10.1.0.1')])).toEqual(
        ['10.1.0.20', '10.1.0.20', 'reply'],
      )
      expect(await place.asks('red', BLUE)).toBe(SHUT)
      expect(await place.lease('late')).toBe('10.1.0.100')
    })

    it('where the host is the gateway, its own packets are its own rules’, and ours meet what is for our services', async () => {
      await place.restore({ filter: [':INPUT DROP', ':FORWARD DROP', ':OUTPUT DROP'] })
      expect([await place.asks('lab', '10.4.0.1'), await place.lease('keen')]).toEqual(['host 10.4.0.11', ''])
      await place.restore({ filter: [':INPUT DROP', '-A INPUT -i lab -p udp -m udp --dport 67 -j ACCEPT'] })
      expect(await place.lease('keen')).toMatch(/^10\.4\.0\./)
    })
  })

  describe('inside a network that says filterBridged', () => {
    const TWO = '10.7.0.12'

    it('rules and policies of FORWARD are asked, and in no other', async () => {
      await place.restore({})
      await place.lease('late')
      await place.restore({ filter: [':FORWARD DROP'] })
      expect([await place.silent('one', TWO), await place.unheard('one', TWO)]).toEqual([true, true])
      expect(await place.asks('late', RED)).toBe('red 10.1.0.100')
      const tcp = (port: number) => `-A FORWARD -i flat -o flat -p tcp -m tcp --dport ${port} -j`
      await place.restore({
        filter: [
          `${tcp(7001)} REJECT --reject-with tcp-reset`,
          `${tcp(7002)} REJECT --reject-with icmp-host-prohibited`,
        ],
      })
      const heard = [
        await place.asks('one', TWO),
        await place.asks('one', TWO, 7001),
        await place.asks('one', TWO, 7002),
      ]
      expect(heard).toEqual(['two 10.7.0.11', 'Connection refused', SHUT])
    })

    it('what is routed and published is nobody’s physdev', async () => {
      await place.restore({
        filter: [':FORWARD DROP', '-A FORWARD -m physdev ! --physdev-is-bridged -j ACCEPT'],
      })
      expect([
        await place.asks('world', HOST, 8007),
        await place.asks('one', WORLD),
        await place.silent('one', TWO),
      ]).toEqual(['one 10.7.0.1', `world ${HOST}`, true])
    })

    it('physdev knows the ports', async () => {
      const pass = '-A FORWARD -m physdev --physdev-in one0 --physdev-out two0 --physdev-is-bridged -j ACCEPT'
      await place.restore({
        filter: [':FORWARD DROP', '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT', pass],
      })
      expect([await place.asks('one', TWO), await place.silent('two', '10.7.0.11')]).toEqual([
        'two 10.7.0.11',
        true,
      ])
      expect(await place.counted(pass)).toBe(1)
    })

    it('broadcasts pass FORWARD, too', async () => {
      await place.station('two').shell('sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0')
      const all = ['ping', '-n', '-b', '-c', '1', '-W', '1', '10.7.0.255']
      await place.restore({})
      expect((await place.namespace('one').attempt(all)).stdout).toContain('1 received')
      await place.restore({ filter: ['-A FORWARD -m pkttype --pkt-type broadcast -j DROP'] })
      expect((await place.namespace('one').attempt(all)).stdout).toContain(' 0 received')
      expect(await place.counted('pkttype')).toBe(1)
    })

    it('a bridged network’s card is a port as others are', async () => {
      const LAN = '10.8.0.11'
      await place.restore({ filter: [] })
      expect([await place.asks('lan', BESIDE), await place.asks('world', LAN)]).toEqual([
        `world ${LAN}`,
        `lan ${BESIDE}`,
      ])
      const pass = '-A FORWARD -i lan -p tcp -m physdev --physdev-in lan0 -m tcp --dport 7000 -j ACCEPT'
      await place.restore({
        filter: [
          ':FORWARD DROP',
          ESTABLISHED,
          pass,
          '-A FORWARD -m physdev --physdev-in lan-uplink -p icmp -j ACCEPT',
        ],
      })
      expect(await place.asks('lan', BESIDE)).toBe(`world ${LAN}`)
      expect([
        await place.silent('world', LAN),
        await place.pings('world', LAN),
        await place.unheard('lan', BESIDE),
      ]).toEqual([true, 'reply', true])
    })

    it('IPv6 passes, as was said at the start', async () => {
      expect(place.daemon.output).toMatch(/filterBridged.*IPv6|IPv6.*filterBridged/)
      await place.restore({ filter: [':FORWARD DROP'] })
      const [, six] =
        /inet6 (fe80\S+)\//.exec(await place.namespace('two').exec(['ip', '-6', 'addr', 'show', 'eth0'])) ??
        []
      await place.namespace('one').exec(['ping', '-6', '-c', '1', '-W', '8', `${six}%eth0`])
      expect(await place.unheard('one', TWO)).toBe(true)
    })
  })
})
