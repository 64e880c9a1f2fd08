/** What a flood of first packets does where rules are in force: flows, records and answers have their bounds, and who was there goes on. */
import { expect, it } from 'vitest'
import { HEAD, OVERFLOW, SUPPRESSED, TAIL } from '../../src/table/journal.ts'
import { House, OUTSIDE } from '../lab/house.ts'
import { wrongs } from '../lab/ledger.ts'
import { SYN, tcp, udp } from '../lab/transport.ts'

const FLOWS = 256
const PACKETS = 20_000
const RULES = `*raw
-A PREROUTING -i lan -p tcp -j LOG --log-prefix "all: "
COMMIT
*filter
:FORWARD DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset
-A FORWARD -m conntrack --ctstate NEW -m limit --limit 10000/sec --limit-burst 10000 -j ACCEPT
COMMIT
`

it('first packets fill the table, records are cut short, and flows under way go on', {
  timeout: 60_000,
}, () => {
  const house = new House({ flows: FLOWS, bindings: 4096 })
  try {
    house.rules(RULES)
    house.guest(0, udp('10.0.0.11:5000', '203.0.113.5:53'))
    house.atOutside()
    house.outside(udp('203.0.113.5:53', `${OUTSIDE}:5000`))
    expect(house.atGuest(0)).toHaveLength(1)
    // A stream is worth more than what nobody answered.
    house.rig.time += 3000
    house.guest(0, udp('10.0.0.11:5000', '203.0.113.5:53'))
    const begun = house.rig.time
    let resets = 0
    for (let n = 0; n < PACKETS; n++) {
      if (n % 20 === 0) house.rig.time++
      const port = n % 4 === 0 ? 23 : 80
      house.guest(1, tcp(`10.0.0.12:${1024 + (n % 60_000)}`, `203.0.${n >> 8}.${n & 255}:${port}`, SYN))
      if (n % 500 !== 0) continue
      house.atOutside()
      resets += house.atGuest(1).length
      house.guest(0, udp('10.0.0.11:5000', '203.0.113.5:53'))
      expect(house.atOutside(), `after ${n}`).toHaveLength(1)
    }
    resets += house.atGuest(1).filter(({ packet }) => packet[9] === 6).length
    const { parts } = house
    // As in the kernel, what nobody answered goes first.
    expect(parts.flows.count).toBeLessThanOrEqual(FLOWS)
    expect(parts.flows.count).toBeGreaterThan(FLOWS / 2)
    const drops = house.drops()
    expect(drops.rule_rejected).toBe(PACKETS / 4)
    // A thousand at once and one a millisecond; the ring holds 2,048 of them, and nothing that was left out is forgotten.
    const { i32 } = house.rig.arena
    const journal = house.memory.journalAt >> 2
    const written = i32[journal + HEAD] - i32[journal + TAIL]
    const left = i32[journal + SUPPRESSED] + i32[journal + OVERFLOW]
    expect(written).toBeLessThanOrEqual(1000 + house.rig.time - begun)
    expect(written).toBeGreaterThanOrEqual(1000)
    expect(written + left).toBe(PACKETS)
    expect(resets).toBeGreaterThan(0)
    expect(wrongs(parts, 6)).toEqual([])
  } finally {
    house.close()
  }
})
