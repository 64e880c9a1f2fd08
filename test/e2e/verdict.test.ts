/** What kernels, captures and listeners see of rules: refusals, rewritten headers, events, limits, sets that change. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Borough, CARD, ROUTER } from '../lab/borough.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, says } from '../lab/command.ts'
import { suite } from '../lab/peer.ts'
import { Tcpdump } from '../lab/tcpdump.ts'

const networks = {
  red: {
    ...{ mode: 'nat', subnet: '10.1.0.0/24', gateway: '10.1.0.1', dhcp: 'off', dns: 'off' },
    uplink: { nic: 'card0', address: '198.18.0.2/24', gateway: '198.18.0.1' },
  },
}
const guests = {
  one: { network: 'red', address: '10.1.0.11' },
  two: { network: 'red', address: '10.1.0.12' },
}
const OUT = '-A FORWARD -i red -o red-uplink'
const ESTABLISHED = '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT'

suite('what rules do', ['bash', 'tcpdump', 'iperf3', 'curl'], () => {
  let place: Borough
  beforeAll(async () => {
    place = await Borough.build({ networks, guests })
  })
  afterAll(cleanup)

  /** A connection that stays until it is ended, in `from`. */
  const hold = (from: string, port: number) =>
    place.serve(
      from,
      /held/,
      'bash',
      '-c',
      `exec 3<>/dev/tcp/${ROUTER}/${port} && echo held && exec sleep 100`,
    )
  /** One that listens and says nothing, at the world. */
  const wait = (port: number) =>
    place.serve(
      'world',
      /listening/,
      process.execPath,
      '-e',
      `require('net').createServer((s) => s.on('error', () => 0)).listen(${port}, () => console.log('listening'))`,
    )

  describe('REJECT is heard at once', () => {
    const kinds = [
      ['icmp-port-unreachable', 'Connection refused', 'Destination Port Unreachable'],
      ['icmp-host-unreachable', 'No route to host', 'Destination Host Unreachable'],
      ['icmp-net-unreachable', 'Network is unreachable', 'Destination Net Unreachable'],
      ['icmp-proto-unreachable', 'Protocol not available', 'Destination Protocol Unreachable'],
      ['icmp-net-prohibited', 'Network is unreachable', 'Destination Net Prohibited'],
      ['icmp-host-prohibited', 'No route to host', 'Destination Host Prohibited'],
      ['icmp-admin-prohibited', 'No route to host', 'Packet filtered'],
    ]

    it.each(kinds)('%s: %s, %s', async (kind, tcp, icmp) => {
      await place.restore({
        filter: [`${OUT} -j REJECT --reject-with ${kind}`, `-A INPUT -i red -j REJECT --reject-with ${kind}`],
      })
      for (const to of [ROUTER, '10.1.0.1'])
        expect([await place.asks('one', to), await place.pings('one', to)]).toEqual([tcp, icmp])
    })

    it('tcp-reset: Connection refused, and what is under way is cut', async () => {
      await wait(7100)
      await place.restore({})
      const cut = place
        .station('one')
        .spawn(
          'bash',
          '-c',
          `exec 3<>/dev/tcp/${ROUTER}/7100 && echo held; read -u 3; echo x >&3; read -u 3; echo cut`,
        )
      await says(cut, /held/)
      await place.restore({ filter: [`${OUT} -p tcp -j REJECT --reject-with tcp-reset`] })
      expect(await place.asks('one', ROUTER)).toBe('Connection refused')
      expect(await place.pings('one', ROUTER)).toBe('reply')
      cut.kill()
    })
  })

  describe('headers on the wire', () => {
    it('TTL, TOS, DSCP and the segment size are as rules say, in every packet of a connection', async () => {
      await place.restore({
        mangle: [
          '-A FORWARD -o red-uplink -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1000',
          '-A POSTROUTING -o red-uplink -p tcp -j DSCP --set-dscp-class EF',
          '-A PREROUTING -i red -p icmp -j TTL --ttl-set 42',
          '-A PREROUTING -i red -p icmp -j TOS --set-tos 0x10/0xff',
        ],
      })
      const capture = await Tcpdump.start(place.namespace('world'), 'card0', 'ip')
      expect(await place.asks('one', ROUTER)).toBe('world 198.18.0.2')
      for (let count = 0; count < 5; count++) expect(await place.pings('one', ROUTER)).toBe('reply')
      const seen = await capture.stop()
      expect(seen.match(/tos 0xb8, ttl 63, .*proto TCP/g)?.length).toBeGreaterThan(3)
      expect(seen).not.toMatch(/tos 0x0, ttl .*proto TCP/)
      expect(seen.match(/tos 0x10, ttl 41, .*proto ICMP/g)?.length).toBe(5)
      expect(seen).toMatch(/Flags \[S\].*mss 1000/)
    })

    it('--clamp-mss-to-pmtu lowers to the narrower side', async () => {
      await place.namespace('one').exec(['ip', 'link', 'set', 'eth0', 'mtu', '9000'])
      const rule = '-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu'
      await place.restore({ mangle: [rule] })
      const capture = await Tcpdump.start(place.namespace('world'), 'card0', 'tcp[tcpflags] & tcp-syn != 0')
      expect(await place.asks('one', ROUTER)).toBe('world 198.18.0.2')
      expect(await capture.stop()).toMatch(/Flags \[S\].*mss 1460/)
      expect(await place.counted(rule)).toBe(2)
      await place.namespace('one').exec(['ip', 'link', 'set', 'eth0', 'mtu', '1500'])
    })
  })

  describe('what packets carry', () => {
    it('whole segments of a stream are rewritten, too', async () => {
      const out = '-A FORWARD -o red-uplink -p tcp -j'
      await place.restore({ mangle: [`${out} DSCP --set-dscp-class EF`, `${out} TTL --ttl-dec 3`] })
      await place.serve('world', /listening/, 'iperf3', '-s', '-1', '--forceflush')
      const capture = await Tcpdump.start(place.namespace('world'), 'card0', 'tcp')
      await place.namespace('one').exec(['iperf3', '-c', ROUTER, '-n', '10M'])
      const seen = (await capture.stop()).match(/\(tos .*TCP/g) ?? []
      expect(seen.length).toBeGreaterThan(50)
      expect(seen.filter((line) => !/^\(tos 0xb[89a], (ECT\(\d\), )?ttl 60,/.test(line))).toEqual([])
    })

    it('fragments are one packet', async () => {
      const whole = `${OUT} -p icmp -m icmp --icmp-type 8 -m length --length 4028 -j ACCEPT`
      await place.restore({ filter: [whole, `${OUT} -p icmp -j DROP`] })
      await place.namespace('one').exec(['ping', '-c', '3', '-i', '0.05', '-W', '8', '-s', '4000', ROUTER])
      expect(await place.counted(whole)).toBe(3)
    })

    it('a string cuts the connection that says it', async () => {
      const rule = '-m string --string "GET /secret" --algo bm -j REJECT --reject-with tcp-reset'
      await place.restore({ filter: [`${OUT} -p tcp ${rule}`] })
      const serve = `require('http').createServer((q, r) => r.end(q.url)).listen(7200, () => console.log('begun'))`
      await place.serve('world', /begun/, process.execPath, '-e', serve)
      const curl = async (path: string) => {
        const { status, stdout } = await place
          .namespace('one')
          .attempt(['curl', '-s', '-m', '8', `http://${ROUTER}:7200/${path}`])
        return [status, stdout]
      }
      expect([await curl('open'), await curl('secret')]).toEqual([
        [0, '/open'],
        [56, ''],
      ])
    })

    it('forged sources are caught by rpfilter', async () => {
      await place.restore({ raw: ['-A PREROUTING -m rpfilter --invert -j DROP'] })
      expect(await place.pings('one', ROUTER)).toBe('reply')
      await place.station('one').shell('ip addr add 10.77.0.1/32 dev lo')
      await place
        .namespace('one')
        .attempt(['ping', '-c', '2', '-i', '0.1', '-W', '0.3', '-I', '10.77.0.1', ROUTER])
      expect(await place.counted('rpfilter')).toBe(2)
    })

    it('what is not tracked is not translated', async () => {
      const back = '-A FORWARD -i red-uplink -o red -j ACCEPT'
      await place.station('world').shell(`ip route replace 10.1.0.0/24 via ${CARD}`)
      await place.cli('conntrack', 'flush')
      await place.restore({ raw: ['-A PREROUTING -p icmp -j NOTRACK'], filter: [back] })
      expect([await place.pings('one', ROUTER), await place.counted(back)]).toEqual(['reply', 1])
      expect(await place.cli('conntrack', 'ls', '--protocol', 'icmp', '--source', '10.1.0.11')).toBe('')
    })

    it('what the gateway tells passes OUTPUT', async () => {
      const near = async (seconds: string) =>
        (await place.namespace('one').attempt(['ping', '-n', '-c', '1', '-W', seconds, '-t', '1', ROUTER]))
          .stdout
      await place.restore({ filter: ['-A OUTPUT -p icmp -m icmp --icmp-type time-exceeded -j DROP'] })
      expect(await near('0.5')).not.toContain('exceeded')
      await place.restore({})
      expect(await near('8')).toContain('From 10.1.0.1 icmp_seq=1 Time to live exceeded')
    })
  })

  it('LOG and TRACE are told', async () => {
    await place.restore({
      raw: ['-A PREROUTING -i red -p icmp -j TRACE'],
      filter: [`${OUT} -p tcp -m tcp --syn -j LOG --log-prefix "dial: " --log-level info`],
    })
    await place.asks('one', ROUTER, 7003)
    await place.pings('one', ROUTER)
    const [log] = await place.told('dial: ')
    expect(log).toMatchObject({
      kind: 'log',
      level: 'info',
      chain: 'FORWARD',
      rule: 1,
      hook: 'FORWARD',
      ingress: 'one0',
      egress: 'red-uplink',
    })
    expect(log?.text).toMatch(
      /^dial: IN=red OUT=red-uplink .*SRC=10\.1\.0\.11 DST=198\.18\.0\.1 .*TTL=63 .*DPT=7003 .*SYN/,
    )
    const trace = await place.told('TRACE: ')
    const met = trace.map(({ text }) => /^TRACE: (\S+)/.exec(text)?.[1])
    for (const point of ['mangle:PREROUTING:policy:1', 'filter:FORWARD:policy:2', 'nat:POSTROUTING:policy:1'])
      expect(met).toContain(point)
    expect(place.daemon.output).toContain('dial: ')
  })

  describe('limits', () => {
    it.each([
      '-m limit --limit 1/hour --limit-burst 3',
      '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name pings',
      '-m recent --name pings --update --hitcount 3 --seconds 600 -j DROP\n-A FORWARD -p icmp -m icmp --icmp-type 8 -m recent --name pings --set',
      '-m connbytes --connbytes 0:3 --connbytes-dir original --connbytes-mode packets',
      '-m quota --quota 252',
    ])('%s lets three pass', async (match) => {
      await place.restore({
        filter: [
          ':FORWARD DROP',
          ESTABLISHED.replace('ESTABLISHED -j', 'ESTABLISHED --ctdir REPLY -j'),
          `-A FORWARD -p icmp -m icmp --icmp-type 8 ${match} -j ACCEPT`,
        ],
      })
      expect(await place.answered('one', ROUTER, 6)).toBe(3)
    })

    it('connlimit counts connections that there are', async () => {
      await wait(7101)
      await place.restore({
        filter: [
          `${OUT} -p tcp -m tcp --dport 7101 --syn -m connlimit --connlimit-above 2 -j REJECT --reject-with tcp-reset`,
        ],
      })
      const ends = [await hold('one', 7101), await hold('one', 7101)]
      expect(await place.asks('one', ROUTER, 7101)).toBe('Connection refused')
      const other = await hold('two', 7101)
      for (const end of [ends[0], other]) end?.()
      const again = () => hold('one', 7101).catch(() => null)
      ends.push((await eventually('there is room again', again)) ?? (() => false))
      for (const end of ends) end()
    })
  })

  it('mac knows a guest by its card', async () => {
    const mac = await place.station('one').mac('eth0')
    await place.restore({
      filter: [':FORWARD DROP', ESTABLISHED, `${OUT} -m mac --mac-source ${mac} -j ACCEPT`],
    })
    expect([await place.pings('one', ROUTER), await place.unheard('two', ROUTER)]).toEqual(['reply', true])
  })

  it('who knocks is put into a set, and is out at once', async () => {
    await place.cli('set', 'create', 'knocked', 'hash:ip', 'timeout', '60')
    const knock = '-A INPUT -i red -p tcp -m tcp --dport 22 -j SET --add-set knocked src --exist'
    await place.restore({
      filter: [
        knock,
        '-A FORWARD -m set --match-set knocked src -j REJECT --reject-with icmp-admin-prohibited',
      ],
    })
    expect(await place.pings('one', ROUTER)).toBe('reply')
    await place.asks('one', '10.1.0.1', 22)
    expect([await place.pings('one', ROUTER), await place.pings('two', ROUTER)]).toEqual([
      'Packet filtered',
      'reply',
    ])
  })

  it('a set that changes holds for the next packet of what is under way', async () => {
    await place.cli('set', 'create', 'closed', 'hash:ip,port')
    await place.restore({ filter: ['-A FORWARD -m set --match-set closed src,dst -j DROP', ESTABLISHED] })
    await place.serve('world', /listening/, 'iperf3', '-s', '--forceflush')
    const stream = place
      .station('one')
      .spawn('iperf3', '-c', ROUTER, '-t', '60', '-b', '20M', '-i', '0.2', '--forceflush')
    let said = ''
    stream.stdout?.on('data', (text) => {
      said += text
    })
    await eventually('it runs', () => /Mbits/.test(said))
    await place.cli('set', 'add', 'closed', '10.1.0.11,tcp:5201')
    const before = await place.counted(ESTABLISHED.slice(0, 30))
    await eventually('nothing moves', () => /(0\.00 bits.*\n.*){2}/.test(said))
    expect(await place.pings('one', ROUTER)).toBe('reply')
    await place.cli('set', 'del', 'closed', '10.1.0.11,tcp:5201')
    said = ''
    await eventually('it runs again', () => /Mbits/.test(said))
    expect(await place.counted(ESTABLISHED.slice(0, 30))).toBeGreaterThan(before)
    stream.kill()
  })
})
