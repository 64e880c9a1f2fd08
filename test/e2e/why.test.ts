/** `why` says what then happens to real packets; LOG, NFLOG and TRACE tell of them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EventRow } from '../../src/control/events.ts'
import type { WhyRow } from '../../src/control/why.ts'
import { cleanup } from '../lab/cleanup.ts'
import { eventually, mustSync } from '../lab/command.ts'
import { Daemon, program } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'

const GATEWAY = '10.0.2.2'
const GUEST = '10.0.2.15'
const WORLD = '192.0.2.1'
const OUTSIDE = '192.0.2.10'
const OTHER = '10.9.0.15'

const RULES = `*raw
-A PREROUTING -p udp --dport 7006 -j TRACE
COMMIT
*mangle
-A PREROUTING -p tcp --dport 7005 -j MARK --set-mark 5
COMMIT
*nat
-A PREROUTING -i lan -p tcp --dport 7004 -j DNAT --to-destination ${WORLD}:7000
-A POSTROUTING -o lan-uplink -p tcp --dport 7007 -j ACCEPT
COMMIT
*filter
:tcp - [0:0]
-A INPUT -p icmp -j DROP
-A FORWARD -p udp --dport 7008 -m limit --limit 1/hour --limit-burst 1 -j ACCEPT
-A FORWARD -p udp --dport 7008 -j DROP
-A FORWARD -p tcp -j tcp
-A FORWARD -p udp --dport 7002 -j DROP
-A FORWARD -p udp --dport 7003 -j LOG --log-prefix "seen: " --log-level info
-A FORWARD -p udp --dport 7003 -m set ! --match-set none dst -j NFLOG --nflog-group 7
-A FORWARD -p icmp -j LOG --log-prefix "ping "
-A tcp -p tcp --dport 7001 -j REJECT --reject-with tcp-reset
-A tcp -m mark --mark 0x5 -j DROP
-A tcp -i lan -o other -p tcp --dport 7009 -j ACCEPT
COMMIT
`

/** A server that says by whom it was asked; and one attempt to connect: `connected PEER`, or the error's code. */
const server = (
  port: number,
) => `require('net').createServer((s) => s.end(s.remoteAddress + ' ' + s.localPort))
  .listen(${port}, () => console.log('ready'))`
const client = (
  to: string,
  port: number,
  patienceMs: number,
) => `const s = require('net').connect({ port: ${port}, host: '${to}', timeout: ${patienceMs} })
  s.on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code)).on('timeout', () => { console.log('silence'); s.destroy() })`
const datagrams = (
  to: string,
  port: number,
  count = 1,
) => `const s = require('dgram').createSocket('udp4'); let n = 0
  for (let i = 0; i < ${count}; i++) s.send('x', ${port}, '${to}', () => { if (++n === ${count}) s.close() })`

suite('why', [], () => {
  let guest: Namespace
  let daemon: Daemon

  beforeAll(async () => {
    guest = new Namespace('guest')
    const world = new Namespace('world')
    const far = new Namespace('far')
    const host = new Namespace('host')
    const ends = ['peer', 'name', 'eth0', 'netns', world.name]
    mustSync('ip', 'link', 'add', 'up0', 'netns', host.name, 'type', 'veth', ...ends)
    mustSync(...host.argv('ip', 'link', 'set', 'up0', 'up'))
    mustSync(...world.argv('ip', 'link', 'set', 'eth0', 'up'))
    mustSync(...world.argv('ip', 'addr', 'add', `${WORLD}/24`, 'dev', 'eth0'))
    const plain = { mode: 'nat', dhcp: 'off', dns: 'off' }
    const lan = {
      ...plain,
      subnet: '10.0.2.0/24',
      gateway: GATEWAY,
      uplink: { nic: 'up0', address: `${OUTSIDE}/24`, gateway: WORLD },
      publish: [`tcp:${OUTSIDE}:8080-${GUEST}:80`],
    }
    const other = { ...plain, subnet: '10.9.0.0/24', gateway: '10.9.0.1', uplink: 'none' }
    const tap = (network: string, place: Namespace, address: string) => ({
      ...{ network, type: 'tap', netns: place.name, ifname: 'eth0', address: `${address}/24` },
    })
    const ports = { vm1: tap('lan', guest, GUEST), vm2: tap('other', far, OTHER) }
    daemon = new Daemon({ networks: { lan, other }, ports, rules: 'rules.v4', sets: 'sets' } as never, host)
    writeFileSync(join(daemon.folder, 'rules.v4'), RULES)
    writeFileSync(join(daemon.folder, 'sets'), 'create none hash:ip\n')
    await daemon.up()
    await guest.attempt(['ip', 'route', 'add', 'default', 'via', GATEWAY])
    await far.attempt(['ip', 'route', 'add', 'default', 'via', '10.9.0.1'])
    const listen = async (place: Namespace, port: number) => {
      const listening = place.spawn(process.execPath, '-e', server(port))
      await eventually('the server', () => new Promise((resolve) => listening.stdout?.once('data', resolve)))
    }
    for (const port of [7000, 7001, 7005, 7007]) await listen(world, port)
    await listen(far, 7009)
    await listen(far, 7010)
    await listen(guest, 80)
  })
  afterAll(cleanup)

  const why = async (flow: string, ...options: string[]): Promise<WhyRow> =>
    JSON.parse(await daemon.cli('why', flow, '--json', ...options))
  const events = async (since = 0): Promise<EventRow[]> =>
    JSON.parse(await daemon.get(`/v1/rules/events?since=${since}`))
  const last = async () => (await events()).at(-1)?.id ?? 0
  const connect = async (to: string, port: number, patienceMs = 8000) =>
    (await guest.exec([process.execPath, '-e', client(to, port, patienceMs)])).trim()
  const tcp = (to: string, port: number) => `tcp ${GUEST}:40000 > ${to}:${port}`

  describe('says what happens to', () => {
    it('what is translated and leaves', async () => {
      const row = await why(tcp(WORLD, 7000))
      expect(row).toMatchObject({
        verdict: 'passes',
        egress: 'lan-uplink',
        nextHop: WORLD,
        port: 'vm1',
        state: 'NEW',
      })
      expect(row.source).toBe(`${OUTSIDE}:40000`)
      expect(await connect(WORLD, 7000)).toMatch(new RegExp(`${OUTSIDE} 7000$`))
    })

    it('what a rule of a user chain rejects', async () => {
      const row = await why(tcp(WORLD, 7001))
      expect(row).toMatchObject({ verdict: 'rejected', reason: 'rule_rejected' })
      expect(row.text).toContain('rule 1 of chain tcp, line 21: -A tcp -p tcp -m tcp --dport 7001 -j REJECT')
      expect(await connect(WORLD, 7001)).toBe('ECONNREFUSED')
    })

    it('a mark of mangle that the filter asks for', async () => {
      expect(await why(tcp(WORLD, 7005))).toMatchObject({ verdict: 'dropped', reason: 'rule_dropped' })
      expect(await connect(WORLD, 7005, 700)).toBe('silence')
    })

    it('what DNAT leads elsewhere', async () => {
      const row = await why(tcp('198.51.100.9', 7004))
      expect(row).toMatchObject({ verdict: 'passes', destination: `${WORLD}:7000` })
      expect(await connect('198.51.100.9', 7004)).toMatch(/ 7000$/)
    })

    it('what nat accepts, and is not translated', async () => {
      expect(await why(tcp(WORLD, 7007))).toMatchObject({ verdict: 'passes', source: `${GUEST}:40000` })
    })

    it('networks that are closed to each other, but for a rule', async () => {
      const closed = await why(tcp(OTHER, 7010))
      expect(closed).toMatchObject({ verdict: 'dropped', reason: 'prohibited', egress: 'other' })
      expect(await connect(OTHER, 7010)).toMatch(/EHOSTUNREACH|ENETUNREACH|EACCES/)
      const opened = await why(tcp(OTHER, 7009))
      expect(opened).toMatchObject({ verdict: 'passes', source: `${GUEST}:40000` })
      expect(await connect(OTHER, 7009)).toMatch(new RegExp(`${GUEST} 7009$`))
    })

    it('what is for the gateway', async () => {
      expect(await why(`icmp ${GUEST} > ${GATEWAY}`)).toMatchObject({
        verdict: 'dropped',
        reason: 'rule_dropped',
      })
      expect((await guest.attempt(['ping', '-c', '1', '-W', '1', GATEWAY])).status).toBe(1)
      expect(await why(tcp(GATEWAY, 9))).toMatchObject({ verdict: 'dropped', reason: 'no_service' })
    })

    it('what comes from outside to a published port, and to none', async () => {
      const led = await why(`tcp ${WORLD}:5000 > ${OUTSIDE}:8080`)
      expect(led).toMatchObject({
        verdict: 'passes',
        destination: `${GUEST}:80`,
        network: 'lan-uplink',
        egress: 'lan',
      })
      const none = await why(`tcp ${WORLD}:5000 > ${OUTSIDE}:8081`)
      expect(none).toMatchObject({ verdict: 'dropped', reason: 'nat_filtered' })
    })

    it('what depends on other packets', async () => {
      const row = await why(`udp ${GUEST}:5000 > ${WORLD}:7008`)
      expect(row.verdict).toBe('passes')
      expect(row.depends).toEqual([expect.stringMatching(/^-m limit --limit 1\/hour/)])
    })

    it('a packet of a connection', async () => {
      await guest.exec([
        process.execPath,
        '-e',
        `const s = require('dgram').createSocket('udp4'); s.bind(5353, () => s.send('x', 9999, '${WORLD}', () => s.close()))`,
      ])
      const row = await why(`udp ${GUEST}:5353 > ${WORLD}:9999`)
      expect(row).toMatchObject({ verdict: 'passes', state: 'NEW', source: `${OUTSIDE}:5353` })
      expect(row.connection).toMatchObject({ replied: false })
      expect(row.stages.map(({ title }) => title)).not.toContain('nat PREROUTING')
      const reply = await why(`udp ${WORLD}:9999 > ${OUTSIDE}:5353`)
      expect(reply).toMatchObject({ verdict: 'passes', state: 'ESTABLISHED', destination: `${GUEST}:5353` })
    })
  })

  it('prints every rule that it met, with its line', async () => {
    const text = await daemon.cli('why', tcp(WORLD, 7001), '--port', 'vm1')
    expect(text).toMatch(
      /^tcp 10\.0\.2\.15:40000 > 192\.0\.2\.1:7001 syn\ncomes in by port vm1 of network lan\n/,
    )
    expect(text).toMatch(/filter FORWARD\n/)
    expect(text).toMatch(/ - line 14 +-A FORWARD -p udp .*\n +no: -p udp: the packet has protocol tcp\n/)
    expect(text).toMatch(/ \* line 16 +-A FORWARD -p tcp -j tcp\n {2}\* line 21 +-A tcp/)
    expect(text).toMatch(/rejected \[rule_rejected\]: filter rule 1 of chain tcp, line 21/)
  })

  it.each([
    ['nonsense', 'is no flow'],
    ['tcp 10.0.2.15 > 1.2.3.4', 'has no port'],
    ['tcp 10.0.2.300:1 > 1.2.3.4:5', 'is no IPv4 address'],
    ['zcp 10.0.2.15 > 1.2.3.4', 'is no protocol'],
    ['icmp 10.0.2.15 > 1.2.3.4 syn', 'means nothing here'],
  ])('refuses %s', async (flow, why) => {
    const said = await daemon.attempt(['why', flow])
    expect(said.status).toBe(1)
    expect(said.stderr).toMatch(new RegExp(`^bridgeport: flow .*${why}.*\n$`))
  })

  /** Events after `before`, once there are enough. */
  async function told(before: number, isEnough: (found: EventRow[]) => boolean): Promise<EventRow[]> {
    let found: EventRow[] = []
    await eventually('what rules tell', async () => {
      found = await events(before)
      return isEnough(found)
    })
    return found
  }

  describe('tells', () => {
    const send = (port: number, count = 1) =>
      guest.exec([process.execPath, '-e', datagrams(WORLD, port, count)])

    it('LOG and NFLOG as the kernel does, in the log and by the API', async () => {
      const before = await last()
      await send(7003)
      const rows = await told(before, (found) => found.length >= 2)
      expect(rows.slice(0, 2)).toMatchObject([
        {
          kind: 'log',
          level: 'info',
          prefix: 'seen: ',
          table: 'filter',
          chain: 'FORWARD',
          rule: 5,
          line: 18,
          ingress: 'vm1',
        },
        { kind: 'nflog', group: 7, chain: 'FORWARD', rule: 6 },
      ])
      expect(rows[0]?.text).toMatch(
        /^seen: IN=lan OUT=lan-uplink PHYSIN=vm1 MAC=([0-9a-f]{2}:){13}00 SRC=10\.0\.2\.15 DST=192\.0\.2\.1 LEN=29 TOS=0x00 PREC=0x00 TTL=63 ID=\d+ DF PROTO=UDP SPT=\d+ DPT=7003 LEN=9$/,
      )
      expect(daemon.output).toContain(JSON.stringify(rows[0]?.text).slice(1, -1))
      expect(await daemon.cli('rules', 'log')).toContain(`${rows[0]?.time} ${rows[0]?.text}\n`)
    })

    it('TRACE: every rule and policy that the packet meets', async () => {
      const before = await last()
      await send(7006)
      const rows = await told(before, (found) => found.some(({ text }) => text.includes('nat:POSTROUTING')))
      const places = rows.flatMap(({ text }) => /^TRACE: (\S+) IN=/.exec(text)?.[1] ?? [])
      const way = ['mangle:PREROUTING', 'nat:PREROUTING', 'filter:FORWARD', 'nat:POSTROUTING']
      const met = way.map((chain) => places.findIndex((place) => place.startsWith(`${chain}:policy:`)))
      expect(met).not.toContain(-1)
      expect(met).toEqual(met.toSorted((a, b) => a - b))
    })

    it('no more than a thousand a second, and how many were left out', async () => {
      const before = await last()
      let rows: EventRow[] = []
      const lost = () => rows.find(({ kind }) => kind === 'lost')
      await eventually('more than a thousand in a second', async () => {
        await send(7003, 8000)
        rows = await events(before)
        return lost()
      })
      expect(lost()?.text).toMatch(/^\d+ records of rules were left out/)
    })

    it('who follows, as it happens', async () => {
      const argv = ['--socket', daemon.socket, 'rules', 'log', '--follow']
      const child = daemon.host.spawn(process.execPath, program, ...argv)
      let text = ''
      child.stdout?.on('data', (chunk) => {
        text += chunk
      })
      await eventually('what was', () => text.includes('seen: '))
      await guest.attempt(['ping', '-c', '1', '-W', '1', WORLD])
      await eventually('what is', () => text.includes(' ping IN=lan OUT=lan-uplink'))
      child.kill('SIGTERM')
    })
  })
})
