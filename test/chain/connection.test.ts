/** What -m conntrack and -m state ask of a packet's connection. */
import { afterAll, describe, expect, it } from 'vitest'
import { PURE, STATIC } from '../../src/chain/extension.ts'
import * as R from '../../src/chain/registers.ts'
import * as flow from '../../src/table/flow.ts'
import { Asking } from '../lab/asking.ts'
import { ip } from '../lab/frame.ts'
import { ACK, tcp, udp } from '../lab/transport.ts'

const asking = new Asking()
const { ground } = asking
const { x } = ground
const asks = (text: string) => asking.asks(text)
const met = (...texts: string[]) => asking.met(...texts)
const conditions = (text: string) => asking.conditions(text)
afterAll(() => ground.close())

const int = (text: string) => new DataView(Uint8Array.from(ip(text)).buffer).getInt32(0)
const A = '10.0.0.1:1000'
const B = '192.0.2.7:80'

describe('-m conntrack', () => {
  const states: [string, number][] = [
    ['INVALID', R.STATE_INVALID],
    ['NEW', R.STATE_NEW],
    ['RELATED', R.STATE_RELATED],
    ['ESTABLISHED', R.STATE_ESTABLISHED],
    ['UNTRACKED', R.STATE_UNTRACKED],
  ]
  const F = 3
  const words = ground.flows.words
  const ports = (source: number, destination: number) => (source << 16) | destination
  /** 10.0.0.1:1000 to 192.0.2.7:80, translated to 203.0.113.5:2000 */
  function established(status = 0, direction = 0): void {
    const at = F * flow.WORDS
    words.set([int('10.0.0.1'), int('192.0.2.7'), ports(1000, 80), 6 | flow.CONFIRMED | status], at)
    words.set([int('192.0.2.7'), int('203.0.113.5'), ports(80, 2000)], at + flow.REPLY)
    words[at + flow.DEADLINE] = 1_000_500
    const registers = {
      [R.FLOW]: F,
      [R.STATE]: R.STATE_ESTABLISHED,
      [R.DIRECTION]: direction,
      [R.NOW]: 990_000,
    }
    ground.load(tcp(A, B, ACK), registers)
  }
  const conntrack = (...texts: string[]) => met(...texts.map((text) => `-m conntrack ${text}`)).length

  it('asks for the state, and so does -m state', () => {
    for (const [name, bit] of states) {
      ground.load(udp(A, B), { [R.STATE]: bit })
      for (const [other] of states) {
        expect(asks(`-m conntrack --ctstate ${other}`), name).toBe(other === name)
        expect(asks(`-m conntrack ! --ctstate ${other}`), name).toBe(other !== name)
        expect(asks(`-m state --state ${other}`), name).toBe(other === name)
        expect(asks(`-m state ! --state NEW,${other}`), name).toBe(other !== name && name !== 'NEW')
      }
    }
  })
  it('asks for translation as a state', () => {
    established(flow.SNAT)
    expect([asks('-m conntrack --ctstate SNAT'), asks('-m conntrack --ctstate DNAT')]).toEqual([true, false])
    expect(conntrack('! --ctstate SNAT', '! --ctstate DNAT', '--ctstate DNAT,ESTABLISHED')).toBe(2)
    x[R.STATE] = R.STATE_UNTRACKED
    expect(conntrack('--ctstate SNAT', '! --ctstate SNAT', '--ctstate SNAT,UNTRACKED')).toBe(2)
  })
  it('asks for both tuples', () => {
    established()
    expect(
      conntrack(
        '--ctorigsrc 10.0.0.1',
        '--ctorigdst 192.0.2.0/24',
        '--ctreplsrc 192.0.2.7',
        '--ctrepldst 203.0.113.5',
      ),
    ).toBe(4)
    expect(
      conntrack(
        '! --ctorigsrc 10.0.0.1',
        '--ctorigsrc 10.0.0.2',
        '--ctrepldst 10.0.0.1',
        '--ctorigdst 1.2.3.4/8',
      ),
    ).toBe(0)
    expect(
      conntrack(
        '--ctorigsrcport 1000',
        '--ctorigdstport 80',
        '--ctreplsrcport 80',
        '--ctrepldstport 1500:2000',
      ),
    ).toBe(4)
    expect(conntrack('! --ctorigsrcport 1000', '--ctrepldstport 1000', '! --ctorigdstport 1:100')).toBe(0)
    expect(conntrack('--ctproto tcp', '--ctproto udp', '! --ctproto 6', '! --ctproto 17')).toBe(2)
  })
  it('asks for direction, status and the time that is left', () => {
    established(flow.SEEN_REPLY)
    expect(
      conntrack(
        '--ctdir ORIGINAL',
        '--ctdir REPLY',
        '--ctstatus SEEN_REPLY',
        '--ctstatus ASSURED,SEEN_REPLY',
      ),
    ).toBe(3)
    expect(
      conntrack(
        '--ctstatus EXPECTED',
        '--ctstatus NONE',
        '! --ctstatus NONE',
        '--ctstatus CONFIRMED',
        '! --ctstatus ASSURED',
      ),
    ).toBe(3)
    expect(
      conntrack('--ctexpire 10', '--ctexpire 10:11', '--ctexpire 11:', '! --ctexpire 10', '! --ctexpire 0:9'),
    ).toBe(3)
    established(flow.ASSURED, 1)
    expect(conntrack('--ctdir ORIGINAL', '--ctdir REPLY', '--ctstatus ASSURED')).toBe(2)
  })
  it('matches nothing but states where there is no connection', () => {
    established()
    for (const state of ['INVALID', 'UNTRACKED']) {
      x[R.STATE] = new Map(states).get(state) as number
      expect(
        conntrack(
          '--ctorigsrc 10.0.0.1',
          '! --ctorigsrc 10.0.0.1',
          '--ctdir ORIGINAL',
          '! --ctproto 17',
          '! --ctstatus ASSURED',
        ),
      ).toBe(0)
      // The kernel asks no further where the state has matched.
      expect(
        conntrack(`--ctstate ${state} --ctorigsrc 9.9.9.9`, `! --ctstate ${state} --ctorigsrc 10.0.0.1`),
      ).toBe(1)
    }
  })
  it('is static unless it asks for what changes', () => {
    const nature = (text: string) => conditions(`-m conntrack ${text}`)[0].nature
    expect([nature('--ctstate NEW,SNAT'), nature('--ctorigsrc 1.1.1.1 --ctdir REPLY')]).toEqual([
      STATIC,
      STATIC,
    ])
    expect([nature('--ctstatus ASSURED'), nature('--ctexpire 5')]).toEqual([PURE, PURE])
  })
})
