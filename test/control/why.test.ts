/** `why` of a switch that no packet passes: how a flow is read, where it enters, and what each hook and each mode says of it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lay, print, read } from '../../src/control/parcel.ts'
import type { WhyRow } from '../../src/control/why.ts'
import type { FileInput, Switch } from '../../src/index.ts'
import { start } from '../lab/fabric.ts'

describe('a flow', () => {
  it.each([
    ['tcp 10.0.2.15:40000 > 198.51.100.1:443', 'tcp 10.0.2.15:40000 > 198.51.100.1:443 syn'],
    ['TCP 10.0.2.15:1>198.51.100.1:443 syn,ack', 'tcp 10.0.2.15:1 > 198.51.100.1:443 syn,ack'],
    ['udp 10.0.2.15 -> 1.2.3.4:53', 'udp 10.0.2.15:32768 > 1.2.3.4:53'],
    ['icmp 10.0.2.15 > 1.2.3.4', 'icmp 10.0.2.15 > 1.2.3.4 8/0'],
    ['icmp 10.0.2.15 > 1.2.3.4 echo-reply id 7', 'icmp 10.0.2.15 > 1.2.3.4 0/0 id 7'],
    ['icmp 10.0.2.15 > 1.2.3.4 3/4', 'icmp 10.0.2.15 > 1.2.3.4 3/4'],
    ['gre 10.0.2.15 > 1.2.3.4', 'gre 10.0.2.15 > 1.2.3.4'],
    ['47 10.0.2.15 > 1.2.3.4 ttl 3 length 500', 'gre 10.0.2.15 > 1.2.3.4'],
    ['sctp 10.0.2.15:5 > 1.2.3.4:6', 'sctp 10.0.2.15:5 > 1.2.3.4:6'],
  ])('%s', (text, expected) => {
    expect(print(read(text))).toBe(expected)
  })

  it.each([
    ['', 'is no flow'],
    ['tcp', 'is no flow'],
    ['tcp 10.0.2.15:1', 'is no flow'],
    ['all 10.0.2.15 > 1.2.3.4', 'all is no protocol'],
    ['300 10.0.2.15 > 1.2.3.4', '300 is no protocol'],
    ['tcp 10.0.2.15:70000 > 1.2.3.4:5', '70000 is no port'],
    ['tcp 10.0.2.15:1:2 > 1.2.3.4:5', 'is no IPv4 address'],
    ['tcp [::1]:1 > 1.2.3.4:5', 'is no IPv4 address'],
    ['icmp 10.0.2.15:1 > 1.2.3.4', 'icmp has no ports'],
    ['udp 1.2.3.4:1 > 1.2.3.5:2 syn', 'syn means nothing here'],
    ['icmp 1.2.3.4 > 1.2.3.5 300/1', '300/1 means nothing here'],
    ['icmp 1.2.3.4 > 1.2.3.5 id', 'id needs a number up to 65535'],
    ['tcp 1.2.3.4:1 > 1.2.3.5:2 ttl x', 'ttl needs a number up to 255'],
    [`tcp ${'x'.repeat(5000)}`, 'is no flow'],
    ['tcp 1.2.3.4:1 > 1.2.3.5:2 \u001b[31m', 'means nothing here'],
  ])('refuses %s', (text, why) => {
    expect(() => read(text)).toThrow(why)
  })

  it('is laid down as a whole packet', () => {
    const view = new DataView(new Uint8Array(200).fill(0xa5).buffer)
    expect(lay(read('tcp 10.0.2.15:1000 > 1.2.3.4:80 length 100'), view, 10)).toBe(100)
    expect(view.getUint16(12)).toBe(100)
    expect(view.getUint8(19)).toBe(6)
    expect([view.getUint16(30), view.getUint16(32), view.getUint8(43)]).toEqual([1000, 80, 2])
    let sum = 0
    for (let at = 10; at < 30; at += 2) sum += view.getUint16(at)
    expect((sum & 0xffff) + (sum >>> 16)).toBe(0xffff)
    expect([view.getUint8(9), view.getUint8(110)]).toEqual([0xa5, 0xa5])
  })
})

const off = { dhcp: 'off', dns: 'off' } as const
const input: FileInput = {
  networks: {
    lan: { mode: 'nat', subnet: '10.0.2.0/24', gateway: '10.0.2.2', uplink: 'none' },
    cell: { mode: 'nat', subnet: '10.3.0.0/24', gateway: '10.3.0.1', uplink: 'none', isolated: true, ...off },
    tank: { mode: 'internal', subnet: '10.4.0.0/24', gateway: '10.4.0.1', ...off },
    glass: {
      mode: 'nat',
      subnet: '10.5.0.0/24',
      gateway: '10.5.0.1',
      uplink: 'none',
      filterBridged: true,
      ...off,
    },
  },
  ports: {
    vm1: { network: 'lan', type: 'memory' },
    vm2: { network: 'glass', type: 'memory' },
    lone: { network: 'lan', type: 'memory', isolated: true },
  },
}

const RULES = `*raw
-A PREROUTING -p udp --dport 4444 -j NOTRACK
COMMIT
*mangle
-A PREROUTING -p tcp --dport 81 -j CONNMARK --set-mark 9
-A FORWARD -m connmark --mark 9 -j DROP
-A PREROUTING -p tcp --dport 82 -j TTL --ttl-set 1
COMMIT
*nat
-A PREROUTING -p tcp -d 10.0.2.2 --dport 83 -j DNAT --to-destination 10.3.0.7:8080
-A PREROUTING -i lan -p udp --dport 5353 -j REDIRECT --to-ports 53
-A OUTPUT -p udp --dport 99 -j ACCEPT
COMMIT
*filter
:INPUT ACCEPT
:OUTPUT DROP
-A INPUT -p udp --dport 53 -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -m conntrack --ctstate UNTRACKED -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -d 10.3.0.0/24 -m conntrack --ctstate DNAT -j ACCEPT
-A FORWARD -i vm2 -j DROP
-A FORWARD -i glass -o glass -p tcp --dport 22 -j DROP
-A FORWARD -m ttl --ttl-lt 1 -j DROP
COMMIT
`

describe('a switch', () => {
  let fabric: Switch
  beforeAll(async () => {
    fabric = await start(input)
    await fabric.restoreRules(RULES)
  })
  afterAll(() => fabric.close())

  const why = (flow: string, port?: string): WhyRow => fabric.rulebook.why(flow, port)
  const titles = (row: WhyRow) => row.stages.map(({ title }) => title)

  it('finds out where a packet enters', () => {
    expect(why('tcp 10.0.2.15:1 > 10.3.0.9:2')).toMatchObject({ network: 'lan', port: null })
    expect(why('tcp 10.0.2.15:1 > 10.3.0.9:2', 'vm1')).toMatchObject({ network: 'lan', port: 'vm1' })
    expect(why('tcp 10.0.2.15:1 > 10.3.0.9:2', 'lan')).toMatchObject({ network: 'lan', port: null })
    expect(() => why('tcp 10.0.2.15:1 > 10.3.0.9:2', 'vm9')).toThrow('there is no port or network vm9')
    expect(() => why('tcp 203.0.113.1:1 > 10.3.0.9:2')).toThrow('--port')
  })

  it('meets the hooks in the order of the kernel', () => {
    const row = why('tcp 10.0.2.15:1 > 10.3.0.9:2')
    expect(titles(row)).toEqual([
      ...['raw PREROUTING', 'conntrack', 'mangle PREROUTING', 'nat PREROUTING', 'route'],
      ...['mangle FORWARD', 'filter FORWARD', 'between networks'],
    ])
    expect(row).toMatchObject({
      verdict: 'dropped',
      reason: 'prohibited',
      nextHop: '10.3.0.9',
      egress: 'cell',
    })
  })

  it('lets services of the gateway answer, behind INPUT', () => {
    const row = why('udp 10.0.2.15:1 > 10.0.2.2:53')
    expect(row).toMatchObject({
      verdict: 'passes',
      reason: null,
      text: 'the name server of the gateway answers',
    })
    expect(titles(row).slice(-3)).toEqual(['mangle INPUT', 'filter INPUT', 'nat INPUT'])
    const byTcp = why('tcp 10.0.2.15:1 > 10.0.2.2:53')
    expect(byTcp).toMatchObject({
      verdict: 'passes',
      text: row.text,
      egress: null,
      destination: '10.0.2.2:53',
    })
    expect(titles(byTcp).slice(-3)).toEqual(titles(row).slice(-3))
    expect(titles(byTcp)).not.toContain('published')
    const led = why('udp 10.0.2.15:1 > 192.0.2.1:5353')
    expect(led).toMatchObject({ verdict: 'passes', text: row.text, destination: '10.0.2.2:53' })
    expect(led.stages.at(-2)?.rules[0]).toMatchObject({
      matched: true,
      text: expect.stringContaining('--dport 53'),
    })
    expect(why('icmp 10.0.2.15 > 10.0.2.2').text).toBe('the gateway answers the echo')
    expect(why('tcp 10.0.2.15:1 > 10.0.2.2:25')).toMatchObject({ verdict: 'dropped', reason: 'no_service' })
  })

  it('knows what fits no connection, and what is not tracked', () => {
    const invalid = why('tcp 10.0.2.15:1 > 10.3.0.9:2 rst')
    expect(invalid).toMatchObject({ state: 'INVALID', verdict: 'dropped', reason: 'rule_dropped' })
    expect(titles(invalid)).not.toContain('nat PREROUTING')
    const untracked = why('udp 10.0.2.15:1 > 10.3.0.9:4444')
    expect(untracked).toMatchObject({ state: 'UNTRACKED', verdict: 'rejected' })
    expect(untracked.text).toContain('--reject-with icmp-host-prohibited')
  })

  it('carries what rules write: marks of the connection, hops, a new destination', () => {
    expect(why('tcp 10.0.2.15:1 > 10.3.0.9:81').text).toMatch(/^mangle rule 1 of chain FORWARD/)
    expect(why('tcp 10.0.2.15:1 > 10.3.0.9:82').verdict).toBe('dropped')
    const led = why('tcp 10.0.2.15:1 > 10.0.2.2:83')
    expect(led).toMatchObject({ verdict: 'passes', destination: '10.3.0.7:8080', egress: 'cell' })
    expect(led.stages.find(({ title }) => title === 'between networks')?.says).toMatch(/^opened/)
  })

  it('tells apart who must not meet', () => {
    const cell = why('tcp 10.3.0.5:1 > 10.3.0.9:2')
    expect(cell).toMatchObject({ verdict: 'dropped', reason: 'isolated' })
    expect(why('tcp 10.0.2.15:1 > 10.0.2.16:2', 'lone')).toMatchObject({ reason: 'isolated' })
    expect(why('tcp 10.9.9.9:1 > 10.3.0.9:2', 'vm1')).toMatchObject({ reason: 'martian' })
    expect(why('udp 10.0.2.15:1 > 203.0.113.9:2', 'vm1')).toMatchObject({ reason: 'no_route' })
    expect(why('udp 10.0.2.15:1 > 10.3.0.9:2 ttl 1', 'vm1')).toMatchObject({ reason: 'ttl_exceeded' })
  })

  it('asks about bridged frames only where the network says so', () => {
    const plain = why('tcp 10.0.2.15:1 > 10.0.2.16:22')
    expect(plain).toMatchObject({ verdict: 'passes', stages: [{ title: 'bridge' }] })
    expect(why('tcp 10.4.0.5:1 > 10.4.0.6:22')).toMatchObject({ verdict: 'passes' })
    expect(why('tcp 10.4.0.5:1 > 198.51.100.1:22').stages[0]?.says).toMatch(/no gateway of ours/)
    const filtered = why('tcp 10.5.0.5:1 > 10.5.0.6:22')
    expect(filtered.text).toMatch(/^filter rule 5 of chain FORWARD/)
    expect(titles(filtered)).not.toContain('nat PREROUTING')
    expect(why('tcp 10.5.0.5:1 > 10.5.0.6:23').verdict).toBe('passes')
    expect(why('tcp 10.5.0.5:1 > 10.5.0.6:23', 'vm2').text).toMatch(/^filter rule 4 of chain FORWARD/)
  })

  it('knows the way of what the gateway says itself', () => {
    const row = why('udp 10.0.2.2:53 > 10.0.2.15:1000')
    expect(row).toMatchObject({ verdict: 'dropped', reason: 'rule_dropped' })
    expect(row.text).toBe('filter policy DROP of chain OUTPUT')
    expect(titles(row)).toEqual(['raw OUTPUT', 'conntrack', 'mangle OUTPUT', 'nat OUTPUT', 'filter OUTPUT'])
  })

  it('leaves nothing behind', () => {
    const { arena } = Reflect.get(fabric, 'plant')
    const before = [arena.regions(), fabric.rules().map(({ packets }) => packets), fabric.flows()]
    why('tcp 10.0.2.15:1 > 10.3.0.9:81')
    expect([arena.regions(), fabric.rules().map(({ packets }) => packets), fabric.flows()]).toEqual(before)
  })
})

it('ten thousand rules are walked in a moment, and without rules there is an answer', async () => {
  const fabric = await start(input)
  try {
    expect(fabric.rulebook.why('icmp 10.0.2.15 > 10.0.2.2')).toMatchObject({ verdict: 'passes' })
    const many = Array.from(
      { length: 10_000 },
      (_, n) => `-A FORWARD -s 10.0.${n >> 8}.${n & 255} -p tcp --dport ${n} -j DROP`,
    )
    await fabric.restoreRules(['*filter', ...many, 'COMMIT', ''].join('\n'))
    const row = fabric.rulebook.why('tcp 10.0.2.15:1 > 10.3.0.9:527')
    expect(row.text).toContain('filter rule 528 of chain FORWARD')
    expect(
      fabric.rulebook.why('tcp 10.0.2.15:1 > 10.3.0.9:1').stages.flatMap(({ rules }) => rules),
    ).toHaveLength(10_001)
  } finally {
    await fabric.close()
  }
})
