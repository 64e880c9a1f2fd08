/** What rules ask of packets, from their text to the code that they become, and what their verdicts are. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { PURE, STATIC } from '../../src/chain/extension.ts'
import { targetKind } from '../../src/chain/kinds.ts'
import * as R from '../../src/chain/registers.ts'
import * as flow from '../../src/table/flow.ts'
import { Asking, LAN, rule, VM1, WAN } from '../lab/asking.ts'
import { ACK, FIN, query, SYN, tcp, udp } from '../lab/transport.ts'

const asking = new Asking()
const { ground } = asking
const { x } = ground
const asks = (text: string) => asking.asks(text)
const met = (...texts: string[]) => asking.met(...texts)
const conditions = (text: string) => asking.conditions(text)
afterAll(() => ground.close())

const A = '10.0.0.1:1000'
const B = '192.0.2.7:80'

describe('what needs no -m', () => {
  beforeEach(() => {
    ground.load(tcp(A, B, SYN), { [R.IN_NETWORK]: LAN, [R.OUT_NETWORK]: WAN, [R.IN_PORT]: VM1 })
  })
  it('asks for addresses under masks', () => {
    expect(met('-s 10.0.0.1', '-s 10.0.0.2', '! -s 10.0.0.1', '! -s 10.0.0.2')).toEqual([
      '-s 10.0.0.1',
      '! -s 10.0.0.2',
    ])
    expect(
      met('-d 192.0.2.0/24', '-d 192.0.3.0/24', '-d 192.0.9.7/255.255.0.255', '-d 128.0.0.0/1'),
    ).toHaveLength(3)
    expect(met('-s 0/0', '! -s 0/0')).toEqual(['-s 0/0'])
  })
  it('asks for protocols', () => {
    expect(met('-p tcp', '! -p tcp', '-p 17', '! -p udp', '-p all')).toEqual(['-p tcp', '! -p udp', '-p all'])
  })
  it('asks for networks and ports on the way in and out', () => {
    expect(met('-i lan', '-i vm1', '-i wan', '-i vm2', '! -i lan', '! -i vm2')).toEqual([
      '-i lan',
      '-i vm1',
      '! -i vm2',
    ])
    expect(met('-o wan', '-o lan', '-o vm1', '-o nobody', '! -o nobody')).toEqual(['-o wan', '! -o nobody'])
    expect(met('-i la+', '-i vm+', '-i w+', '! -i l+', '-i +', '! -i +', '-o w+')).toEqual([
      '-i la+',
      '-i vm+',
      '-i +',
      '-o w+',
    ])
  })
  it('meets no fragments, which are put together before', () => {
    expect(met('-f', '! -f', '! -f -s 10.0.0.1')).toEqual(['! -f', '! -f -s 10.0.0.1'])
  })
  it('depends on the flow unless ports are named', () => {
    expect(conditions('-s 1.1.1.1 -p tcp -i lan')[0].nature).toBe(STATIC)
    expect(conditions('-s 1.1.1.1 -i vm1')[0].nature).toBe(PURE)
    expect(conditions('-i la+')[0].nature).toBe(PURE)
  })
})

describe('ports', () => {
  it('are those of TCP and UDP', () => {
    ground.load(udp('10.0.0.1:65535', '192.0.2.7:443'))
    expect(
      met('-p udp --dport 443', '-p udp --sport 443', '-p udp ! --dport 443', '-p udp --sport 1024:'),
    ).toHaveLength(2)
    expect(
      met('-p tcp --dport 443', '-p udp --dport 0:442', '-p udp ! --sport 0:9', '-p udp --sport :'),
    ).toHaveLength(2)
    expect(asks('-p udp ! --sport 0:65535')).toBe(false)
  })
  it('may be several', () => {
    ground.load(tcp(A, B, SYN))
    const lists = ['--dports 22,80', '--dports 22,79:81', '--sports 1000', '--ports 1000,1', '--ports 80']
    expect(met(...lists.map((list) => `-p tcp -m multiport ${list}`))).toHaveLength(5)
    expect(met(...lists.map((list) => `-p tcp -m multiport ! ${list}`))).toHaveLength(0)
    expect(met('-p tcp -m multiport --sports 80', '-p tcp -m multiport ! --ports 5,6:7')).toHaveLength(1)
  })
})

describe('-m tcp', () => {
  it('asks for flags under a mask', () => {
    ground.load(tcp(A, B, SYN | ACK))
    expect(
      met('-p tcp --syn', '-p tcp ! --syn', '-p tcp --tcp-flags SYN SYN', '-p tcp --tcp-flags ALL SYN,ACK'),
    ).toHaveLength(3)
    ground.load(tcp(A, B, SYN))
    expect(met('-p tcp --syn', '-p tcp ! --syn', '-p tcp --tcp-flags SYN,FIN SYN,FIN')).toEqual([
      '-p tcp --syn',
    ])
    ground.load(tcp(A, B, FIN))
    expect(
      met('-p tcp --tcp-flags ALL FIN', '-p tcp --tcp-flags ALL NONE', '-p tcp --tcp-flags FIN NONE'),
    ).toHaveLength(1)
  })
  it('is static where the straight loop knows the flags', () => {
    const nature = (text: string) => conditions(text)[1].nature
    expect([nature('-p tcp --syn'), nature('-p tcp --tcp-flags SYN,URG SYN')]).toEqual([STATIC, PURE])
  })
  it('looks for an option', () => {
    const options = (bytes: number[]) => ground.load(tcp(A, B, SYN, { options: bytes }))
    const found = () => [2, 3, 4, 8].filter((option) => asks(`-p tcp --tcp-option ${option}`))
    options([])
    expect(found()).toEqual([])
    expect(asks('-p tcp ! --tcp-option 2')).toBe(true)
    options([2, 4, 5, 180, 1, 3, 3, 7])
    expect(found()).toEqual([2, 3])
    // A length of 0 counts as 1, and the end of options ends nothing, as in the kernel.
    options([9, 0, 0, 4])
    expect(found()).toEqual([4])
    // The kernel drops what has no whole header, whether the option is to be there or not.
    for (const cut of [19, 23]) {
      options([2, 4, 5, 180])
      x[R.END] = x[R.TRANSPORT] + cut
      expect(met('-p tcp --tcp-option 2', '-p tcp ! --tcp-option 2')).toEqual([])
      expect(x[R.HOTDROP]).toBe(1)
    }
    // What stands in the payload is no option.
    ground.load(tcp(A, B, SYN, { options: [1, 1, 1, 1], payload: [2, 4, 5, 180] }))
    expect(found()).toEqual([])
  })
})

describe('-m icmp', () => {
  it('asks for type and code', () => {
    ground.load(query('10.0.0.1:77', '192.0.2.7:0', 8))
    expect(
      met(
        '-p icmp --icmp-type ping',
        '-p icmp --icmp-type 8/0',
        '-p icmp --icmp-type 8/1',
        '-p icmp --icmp-type 0',
      ),
    ).toHaveLength(2)
    expect(
      met(
        '-p icmp ! --icmp-type 8',
        '-p icmp ! --icmp-type 3',
        '-p icmp --icmp-type any',
        '-p icmp ! --icmp-type any',
      ),
    ).toHaveLength(2)
    ground.x[R.PORTS] = 0x0303
    expect(
      met('-p icmp --icmp-type 3', '-p icmp --icmp-type port-unreachable', '-p icmp --icmp-type 3/2'),
    ).toHaveLength(2)
  })
})

describe('marks', () => {
  it('are compared under a mask, bits outside of it being asked for in vain', () => {
    ground.load(udp(A, B), { [R.MARK]: 0x8000_0015 | 0 })
    const marks = ['0x80000015', '0x15', '0x15/0xff', '0x5/0xf', '0x15/0xf', '0x80000000/0x80000000', '0/0']
    expect(met(...marks.map((mark) => `-m mark --mark ${mark}`))).toHaveLength(5)
    expect(met(...marks.map((mark) => `-m mark ! --mark ${mark}`))).toHaveLength(2)
  })
  it('of connections need one', () => {
    const words = ground.flows.words
    words[5 * flow.WORDS + flow.MARK] = 7
    words[flow.MARK] = 9
    ground.load(udp(A, B), { [R.FLOW]: 5, [R.STATE]: R.STATE_ESTABLISHED })
    expect(met('-m connmark --mark 7', '-m connmark ! --mark 7', '-m connmark --mark 0x6/0x6')).toHaveLength(
      2,
    )
    ground.load(udp(A, B), { [R.STATE]: R.STATE_NEW })
    expect(asks('-m connmark --mark 9')).toBe(true)
    for (const state of [R.STATE_INVALID, R.STATE_UNTRACKED]) {
      ground.load(udp(A, B), { [R.STATE]: state })
      expect(met('-m connmark --mark 9', '-m connmark ! --mark 9')).toEqual([])
    }
    words.fill(0, 0, 6 * flow.WORDS)
  })
})

describe('-m mac and -m iprange', () => {
  it('ask for the sender and for ranges', () => {
    ground.load(udp(A, '192.0.2.7:53'))
    ground.arena.u8.set([2, 0, 0, 0xff, 0xfe, 9], x[R.AT] + 6)
    const sender = '--mac-source 02:00:00:ff:fe:09'
    expect(met(`-m mac ${sender}`, `-m mac ! ${sender}`, '-m mac --mac-source 02:00:00:ff:fe:08')).toEqual([
      `-m mac ${sender}`,
    ])
    const range = (text: string) => `-m iprange ${text}`
    expect(met(range('--src-range 10.0.0.0-10.0.0.1'), range('--src-range 10.0.0.2-10.0.0.9'))).toHaveLength(
      1,
    )
    expect(
      met(range('--dst-range 127.0.0.1-192.0.2.7'), range('! --dst-range 0.0.0.0-255.255.255.255')),
    ).toHaveLength(1)
    expect(
      met(range('--src-range 10.0.0.2-10.0.0.1'), range('! --src-range 10.0.0.2-10.0.0.1')),
    ).toHaveLength(1)
    expect(
      met(
        range('--src-range 10.0.0.1 --dst-range 10.0.0.1'),
        range('--src-range 10.0.0.1 ! --dst-range 10.0.0.1'),
      ),
    ).toHaveLength(1)
  })
})

describe('verdicts', () => {
  const verdict = (text: string) => {
    const { target } = rule(text)
    const kind = target && targetKind(target.name)
    if (!kind || !target) throw new Error(text)
    return ground.target(kind, target.data)()
  }
  it('are what they are called', () => {
    ground.load(tcp(A, B, SYN))
    expect([verdict('-j DROP'), verdict('-j RETURN'), x[R.EXPLICIT]]).toEqual([R.DROP, R.CONTINUE, 0])
    expect([verdict('-j ACCEPT'), x[R.EXPLICIT]]).toEqual([R.ACCEPT, 1])
  })
  it('of REJECT say what the sender is told', () => {
    const told = (type: string) => [verdict(`-p tcp -j REJECT --reject-with ${type}`), x[R.REJECT]]
    expect(told('icmp-port-unreachable')).toEqual([R.REJECTED, 0x0303])
    expect(told('icmp-admin-prohibited')).toEqual([R.REJECTED, 0x030d])
    expect(told('icmp-host-prohib')).toEqual([R.REJECTED, 0x030a])
    expect(told('tcp-reset')).toEqual([R.REJECTED, R.RESET])
  })
})
