/** What `why` says is what then happens: random rules, random packets through a switch, and their replies; verdict, reason and translation. */
import { expect, it } from 'vitest'
import type { WhyRow } from '../../src/control/why.ts'
import type { FileInput, MemoryPort, Switch } from '../../src/index.ts'
import { eventually } from '../lab/command.ts'
import { during } from '../lab/fabric.ts'
import { arp, ethernet } from '../lab/frame.ts'
import { Random } from '../lab/random.ts'
import { ACK, query, RST, read, SYN, tcp, udp } from '../lab/transport.ts'

const A = '10.0.2.15'
const B = '10.3.0.15'
const GATEWAYS = { a: '10.0.2.2', b: '10.3.0.1' }
const PORTS = [1, 2, 3, 4]
const off = { mode: 'nat', uplink: 'none', dhcp: 'off', dns: 'off' } as const
const input: FileInput = {
  networks: {
    lan: { ...off, subnet: '10.0.2.0/24', gateway: GATEWAYS.a },
    other: { ...off, subnet: '10.3.0.0/24', gateway: GATEWAYS.b },
  },
  ports: { a: { network: 'lan', type: 'memory' }, b: { network: 'other', type: 'memory' } },
}

/** A guest: answers who asks for its address, and keeps the packets that it gets. */
class Guest {
  readonly got: Uint8Array[] = []
  private readonly port: MemoryPort
  private readonly mac: string
  private readonly address: string
  private readonly gateway: string

  constructor(fabric: Switch, name: 'a' | 'b', address: string) {
    this.port = fabric.memory(name)
    this.mac = `02:00:00:00:00:0${name}`
    this.address = address
    this.gateway =
      fabric.macs().find((row) => row.kind === 'gateway' && row.network === (name === 'a' ? 'lan' : 'other'))
        ?.mac ?? ''
  }

  send(packet: Uint8Array): void {
    this.port.send(ethernet(this.gateway, this.mac, 0x0800, packet))
  }

  hear(): void {
    for (let next = this.port.receive(); next; next = this.port.receive()) {
      const { frame } = next
      const type = (frame[12] << 8) | frame[13]
      // What is told of a dropped packet comes when it comes.
      const isError = frame[23] === 1 && (frame[34] === 3 || frame[34] === 11)
      if (type === 0x0800 && !isError) this.got.push(frame.slice(14))
      else if (type === 0x0806 && frame[21] === 1) this.answer(frame)
    }
  }

  private answer(frame: Uint8Array): void {
    const text = (at: number) => [...frame.subarray(at, at + 4)].join('.')
    if (text(38) !== this.address) return
    const asker = [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
    const reply = arp(2, [this.mac, this.address], [asker, text(28)])
    this.port.send(ethernet(asker, this.mac, 0x0806, reply))
  }
}

const protocol = (random: Random) => random.of(['tcp', 'udp'])
const service = (random: Random) => `-p ${protocol(random)} --dport ${random.of(PORTS)}`
const some = (random: Random, most: number, make: () => string) =>
  Array.from({ length: random.below(most + 1) }, make)

/** What a rule of filter asks. */
function asked(random: Random): string {
  return random.of([
    ...['', '-i lan', '-i a', '-i other', '! -i b', service(random), '-p icmp', `-s ${A}`],
    ...['-m conntrack --ctstate NEW', '-m conntrack --ctstate ESTABLISHED', '-m conntrack --ctstate DNAT'],
    ...['-m conntrack --ctstate INVALID,UNTRACKED', `-m mark --mark ${random.below(3)}`],
    '-m ttl --ttl-eq 63',
  ])
}

function rawRules(random: Random): string[] {
  const rule = () => `-A PREROUTING ${service(random)} -j ${random.of(['NOTRACK', 'DROP'])}`
  return ['*raw', ...some(random, 2, rule), 'COMMIT']
}

function mangleRules(random: Random): string[] {
  const rule = () => {
    const target = random.of([
      ...[`MARK --set-mark ${random.below(3)}`, 'DROP', `CONNMARK --set-mark ${random.of(PORTS)}`],
      'TTL --ttl-set 60',
    ])
    const chain = random.of(['PREROUTING', 'FORWARD', 'POSTROUTING', 'INPUT'])
    return `-A ${chain} ${service(random)} -j ${target}`
  }
  const marked = () => `-A FORWARD -m connmark --mark ${random.of(PORTS)} -j DROP`
  return ['*mangle', ...some(random, 3, rule), ...some(random, 1, marked), 'COMMIT']
}

function natRules(random: Random): string[] {
  const led = () => `-A PREROUTING ${service(random)} -j DNAT --to-destination ${B}:${random.of(PORTS)}`
  const named = () => {
    const target = random.of([
      ...['SNAT --to-source 10.3.0.1', 'SNAT --to-source 10.3.0.8:5000-5999', 'MASQUERADE'],
      ...['ACCEPT', 'RETURN'],
    ])
    return `-A POSTROUTING -o other ${service(random)} -j ${target}`
  }
  return ['*nat', ...some(random, 3, led), ...some(random, 2, named), 'COMMIT']
}

function filterRules(random: Random): string[] {
  const policies = ['FORWARD', 'INPUT'].map((chain) => `:${chain} ${random.of(['ACCEPT', 'DROP'])}`)
  const target = () => random.of(['ACCEPT', 'ACCEPT', 'ACCEPT', 'DROP', 'REJECT', 'RETURN', 'user', 'LOG'])
  const way = () => random.of(['', '', '-o other', '-o b', '! -o lan'])
  const first = ['-m conntrack --ctstate ESTABLISHED -j ACCEPT', '-j LOG'].slice(random.below(2))
  const own = () => random.of(['ACCEPT', 'DROP', 'RETURN', 'REJECT'])
  return [
    ...['*filter', ...policies, ':user -'],
    ...some(random, 3, () => `-A INPUT ${asked(random)} -j ${target()}`),
    ...first.map((each) => `-A FORWARD ${each}`),
    ...some(random, 6, () => `-A FORWARD ${asked(random)} ${way()} -j ${target()}`),
    ...some(random, 3, () => `-A user ${asked(random)} -j ${own()}`),
    'COMMIT',
  ]
}

/** A few rules in every table. */
function rules(random: Random): string {
  const all = [...rawRules(random), ...mangleRules(random), ...natRules(random), ...filterRules(random)]
  return `${all.join('\n')}\n`
}

/** A packet, and the words that ask about it. */
function packet(random: Random, number: number): { bytes: Uint8Array; flow: string } {
  const to = random.of([B, B, B, GATEWAYS.a, GATEWAYS.b, '203.0.113.5'])
  const from = random.once(15) ? '10.9.9.9' : A
  const ttl = random.once(10) ? 1 : 64
  const [source, destination] = [`${from}:${20_000 + number}`, `${to}:${random.of(PORTS)}`]
  const kind = random.below(7)
  if (kind === 0)
    return {
      bytes: query(source, `${to}:0`, 8, { ttl }),
      flow: `icmp ${from} > ${to} echo id ${20_000 + number} ttl ${ttl}`,
    }
  if (kind < 4)
    return { bytes: udp(source, destination, { ttl }), flow: `udp ${source} > ${destination} ttl ${ttl}` }
  const flags = random.of([SYN, SYN, SYN, ACK, RST])
  const word = { [SYN]: 'syn', [ACK]: 'ack', [RST]: 'rst' }[flags]
  return {
    bytes: tcp(source, destination, flags, { ttl }),
    flow: `tcp ${source} > ${destination} ${word} ttl ${ttl}`,
  }
}

class Ground {
  readonly a: Guest
  readonly b: Guest
  private readonly fabric: Switch

  constructor(fabric: Switch) {
    this.fabric = fabric
    this.a = new Guest(fabric, 'a', A)
    this.b = new Guest(fabric, 'b', B)
  }

  private drops(): Record<string, number> {
    const all: Record<string, number> = {}
    for (const { drops } of this.fabric.ports(true))
      for (const [reason, count] of Object.entries(drops)) all[reason] = (all[reason] ?? 0) + count
    return all
  }

  /** Sends a packet and waits for what becomes of it: the reason why it was dropped, or who got it. */
  async send(
    from: Guest,
    bytes: Uint8Array,
  ): Promise<{ reason: string | null; a: Uint8Array[]; b: Uint8Array[] }> {
    for (const guest of [this.a, this.b]) guest.got.length = 0
    const before = this.drops()
    let reason: string | null = null
    from.send(bytes)
    await eventually('what becomes of a packet', () => {
      this.a.hear()
      this.b.hear()
      reason =
        Object.entries(this.drops()).find(([name, count]) => count !== (before[name] ?? 0))?.[0] ?? null
      return reason !== null || this.a.got.length + this.b.got.length > 0
    })
    return { reason, a: this.a.got.slice(), b: this.b.got.slice() }
  }
}

/** A flow's end without its port where it has none. */
function bears(row: WhyRow, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) throw new Error('nobody got it')
  const { from, to, protocol } = read(bytes)
  const plain = (text: string) => (protocol === 1 ? text.split(':')[0] : text)
  expect(plain(to)).toBe(row.destination)
  // Of a range of ports the gateway takes any.
  if (row.source.startsWith('10.3.0.8:')) expect(from).toMatch(/^10\.3\.0\.8:5\d\d\d$/)
  else expect(plain(from)).toBe(row.source)
}

async function follows(
  ground: Ground,
  row: WhyRow,
  from: 'a' | 'b',
  bytes: Uint8Array,
): Promise<Uint8Array | null> {
  const { reason, a, b } = await ground.send(ground[from], bytes)
  expect(reason).toBe(row.reason)
  if (row.verdict !== 'passes') return null
  if (row.egress === null) {
    expect(read((from === 'a' ? a : b)[0] ?? bytes).type).toBe(0)
    return null
  }
  const got = row.egress === 'other' ? b[0] : a[0]
  bears(row, got)
  return got ?? null
}

it('says what then happens', { timeout: 120_000 }, async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const random = new Random(seed)
  let [passed, dropped, answered] = [0, 0, 0]
  await during(input, async (fabric) => {
    const ground = new Ground(fabric)
    await fabric.restoreRules('*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n')
    await ground.send(ground.a, udp(`${A}:9`, `${B}:9`))
    await ground.send(ground.b, udp(`${B}:9`, `${A}:9`))
    for (let round = 0, number = 0; round < 40; round++) {
      const text = rules(random)
      await fabric.restoreRules(text)
      await fabric.flushFlows({})
      for (let n = 0; n < 15; n++, number++) {
        const { bytes, flow } = packet(random, number)
        const row = fabric.rulebook.why(flow, 'a')
        const place = `seed ${seed}, round ${round}: ${flow}\n${text}\n${JSON.stringify(row, null, 1)}`
        try {
          const got = await follows(ground, row, 'a', bytes)
          row.verdict === 'passes' ? passed++ : dropped++
          if (got === null || row.state === 'UNTRACKED') continue
          const { from, to, protocol } = read(got)
          if (protocol !== 17) continue
          const back = fabric.rulebook.why(`udp ${to} > ${from}`, 'b')
          if (row.state === 'NEW')
            expect(back.state).toBe(
              back.stages.some(({ says }) => says.startsWith('UNTRACKED')) ? 'UNTRACKED' : 'ESTABLISHED',
            )
          await follows(ground, back, 'b', udp(to, from))
          answered++
        } catch (error) {
          throw new Error(`${(error as Error).message}\n${place}`)
        }
      }
    }
  })
  expect(passed, `seed ${seed}`).toBeGreaterThan(20)
  expect(dropped).toBeGreaterThan(40)
  expect(answered).toBeGreaterThan(3)
})

it('knows that DNS over TCP is the gateway itself, and its answers too', { timeout: 60_000 }, async () => {
  const { dns: _, ...lan } = { ...off, subnet: '10.0.2.0/24', gateway: GATEWAYS.a }
  const networks = { ...input.networks, lan }
  await during({ ...input, networks }, async (fabric) => {
    const ground = new Ground(fabric)
    const ask = `tcp ${A}:4000 > ${GATEWAYS.a}:53`
    const answer = `tcp ${GATEWAYS.a}:53 > ${A}:4000`
    const syn = tcp(`${A}:4000`, `${GATEWAYS.a}:53`, SYN)
    const rules = (input: string, output: string) =>
      `*filter\n:INPUT DROP\n:OUTPUT DROP\n-A INPUT ${input}\n-A OUTPUT ${output}\nCOMMIT\n`
    const [open, answers] = ['-i lan -p tcp --dport 53 -j ACCEPT', '-m state --state ESTABLISHED -j ACCEPT']
    await fabric.restoreRules(rules('-p tcp --dport 54 -j ACCEPT', answers))
    expect(fabric.rulebook.why(ask).reason).toBe('rule_dropped')
    expect((await ground.send(ground.a, syn)).reason).toBe('rule_dropped')
    await fabric.restoreRules(rules(open, answers))
    expect(fabric.rulebook.why(ask)).toMatchObject({ verdict: 'passes', egress: null })
    const { a } = await ground.send(ground.a, syn)
    // Its checksum is left to whoever has the port.
    expect([...(a[0] ?? []).subarray(12, 24)]).toEqual([10, 0, 2, 2, 10, 0, 2, 15, 0, 53, 0x0f, 0xa0])
    expect(fabric.rulebook.why(answer)).toMatchObject({ state: 'ESTABLISHED', verdict: 'passes' })
    await fabric.restoreRules(rules(open, '-m state --state NEW -j ACCEPT'))
    expect(fabric.rulebook.why(answer)).toMatchObject({ state: 'ESTABLISHED', verdict: 'dropped' })
    await fabric.restoreRules(rules(open, answers))
    expect(fabric.rulebook.why(ask)).toMatchObject({ state: 'ESTABLISHED', verdict: 'passes', egress: null })
    await ground.send(ground.a, tcp(`${A}:4000`, `${GATEWAYS.a}:53`, RST))
  })
})
