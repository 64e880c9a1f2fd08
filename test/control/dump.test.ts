/** Packets in the words of the kernel's log, as netfilter's LOG of Linux 6 writes them of packets like these. */
import { describe, expect, it } from 'vitest'
import { ipv4 } from '../../src/control/address.ts'
import { type Detail, dump } from '../../src/control/dump.ts'
import type { Entry } from '../../src/control/journal.ts'
import { Random } from '../lab/random.ts'

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
const ETHERNET = '4ec05a077702 42556 7a0ca66 0800'.replaceAll(' ', '')
const here = { ingress: 'gb', egress: '', ingressPort: '', egressPort: '' }
const out = { ingress: '', egress: 'gb', ingressPort: '', egressPort: '' }

/** A record of a packet as its bytes say; the header's checksum is nobody's concern. */
function entry(hex: string, more: Partial<Entry> = {}): Entry {
  const packet = bytes(hex)
  const view = new DataView(packet.buffer)
  const at = (packet[0] & 15) * 4
  return {
    ...{
      kind: 1,
      rule: 0,
      generation: 0,
      table: 3,
      hook: 1,
      ingress: 1,
      egress: 0,
      mark: 0,
      state: 8,
      aged: 0,
    },
    ...{ source: view.getInt32(12), destination: view.getInt32(16), length: view.getUint16(2), timeMs: 0 },
    ports: at + 4 <= packet.length ? view.getInt32(at) : 0,
    ethernet: bytes(ETHERNET),
    packet,
    ...more,
  }
}

const header = (length: number, tos: string, id: number, flags: string, protocol: string, ihl = 5) =>
  `4${ihl}${tos}${length.toString(16).padStart(4, '0')}${id.toString(16).padStart(4, '0')}${flags}40${protocol}0000 0a4d0001 0a4d0002`
const MAC = 'MAC=4e:c0:5a:07:77:02:42:55:67:a0:ca:66:08:00'
const ROUTE = 'SRC=10.77.0.1 DST=10.77.0.2'
const SYN = `${header(60, '00', 60073, '4000', '06')} 98ba0009 5addf9e8 00000000 a002faf0 00000000 020405b40402080a567ceffd000000000103030a`
const all: Detail = { sequence: true, tcpOptions: true, ipOptions: true }

describe('as the kernel has it', () => {
  it.each<[string, string, Detail, string]>([
    [
      'an echo',
      `${header(84, '00', 13902, '4000', '01')} 08000000 21e60001`,
      all,
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=13902 DF PROTO=ICMP TYPE=8 CODE=0 ID=8678 SEQ=1`,
    ],
    [
      'a SYN with its options',
      SYN,
      all,
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=60073 DF PROTO=TCP SPT=39098 DPT=9 SEQ=1524496872 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0 OPT (020405B40402080A567CEFFD000000000103030A)`,
    ],
    [
      'a SYN without',
      SYN,
      {},
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=60073 DF PROTO=TCP SPT=39098 DPT=9 WINDOW=64240 RES=0x00 SYN URGP=0`,
    ],
    [
      'options of IP',
      `${header(124, '00', 13911, '4000', '01', 6)} 01072704 08000000 21ee0001`,
      all,
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=124 TOS=0x00 PREC=0x00 TTL=64 ID=13911 DF OPT (01072704) PROTO=ICMP TYPE=8 CODE=0 ID=8686 SEQ=1`,
    ],
    [
      'type of service',
      `${header(84, 'ba', 13914, '4000', '01')} 08000000 21f30001`,
      {},
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=84 TOS=0x1A PREC=0xA0 TTL=64 ID=13914 DF PROTO=ICMP TYPE=8 CODE=0 ID=8691 SEQ=1`,
    ],
    [
      'a decoded MAC',
      `${header(29, '00', 1, '0000', '11')} 00350036 00090000`,
      { macDecode: true },
      `IN=gb OUT= MACSRC=42:55:67:a0:ca:66 MACDST=4e:c0:5a:07:77:02 MACPROTO=0800 ${ROUTE} LEN=29 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=UDP SPT=53 DPT=54 LEN=9`,
    ],
    [
      'an error with what it is about',
      `${header(57, 'c0', 9, '0000', '01')} 03040000 00000578 ${header(29, '00', 7, '4000', '11')} 00350036 00090000`,
      {},
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=57 TOS=0x00 PREC=0xC0 TTL=64 ID=9 PROTO=ICMP TYPE=3 CODE=4 [${ROUTE} LEN=29 TOS=0x00 PREC=0x00 TTL=64 ID=7 DF PROTO=UDP SPT=53 DPT=54 LEN=9 ] MTU=1400`,
    ],
    [
      'another protocol',
      `${header(24, '00', 1, '0000', '2f')} 00000000`,
      {},
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=24 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=47`,
    ],
    [
      'a header that is cut off',
      `${header(24, '00', 1, '0000', '06')} 00010002`,
      {},
      `IN=gb OUT= ${MAC} ${ROUTE} LEN=24 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP INCOMPLETE [4 bytes]`,
    ],
  ])('%s', (_, packet, detail, line) => {
    expect(dump(entry(packet), here, detail)).toBe(line)
  })

  it('a reset that the gateway sends itself has no MAC', () => {
    const packet = `${header(40, '00', 0, '4000', '06')} 000998ba 00000000 5addf9e9 50140000 00000000`
    expect(
      dump(entry(packet, { source: ipv4('10.77.0.2') ?? 0, destination: ipv4('10.77.0.1') ?? 0 }), out),
    ).toBe(
      'IN= OUT=gb SRC=10.77.0.2 DST=10.77.0.1 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=TCP SPT=9 DPT=39098 WINDOW=0 RES=0x00 ACK RST URGP=0',
    )
  })
})

it('the words are those of the rule: addresses and ports before the bytes say so, hops, mark, ports of the bridge', () => {
  const packet = `${header(29, '00', 1, '0000', '11')} 00350036 00090000`
  const moved = { destination: ipv4('192.0.2.1') ?? 0, ports: (53 << 16) | 99, aged: 1, mark: 0x1f }
  expect(
    dump(entry(packet, moved), { ingress: 'lan', egress: 'wan', ingressPort: 'vm1', egressPort: 'vm2' }),
  ).toBe(
    `IN=lan OUT=wan PHYSIN=vm1 PHYSOUT=vm2 ${MAC} SRC=10.77.0.1 DST=192.0.2.1 LEN=29 TOS=0x00 PREC=0x00 TTL=63 ID=1 PROTO=UDP SPT=53 DPT=99 LEN=9 MARK=0x1f`,
  )
})

it('whatever a packet is, it has a line', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const random = new Random(seed)
  for (let n = 0; n < 5000; n++) {
    const packet = random.bytes(random.below(129))
    if (packet.length > 0 && !random.once(4)) packet[0] = 0x45
    if (packet.length > 9) packet[9] = random.of([1, 6, 17, 50, 51, 136, 132, 0])
    const record = { ...entry(header(20, '00', 1, '0000', '06')), packet, ports: random.word() | 0 }
    const text = dump(record, here, all)
    expect(text, `seed ${seed}, packet ${n}`).toMatch(/^IN=gb OUT= MAC=[\x20-\x7e]*$/)
  }
})
