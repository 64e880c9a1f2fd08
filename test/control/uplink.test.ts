/** Which subnet a link gets: the first that nobody has. The machine's own addresses count too, so what is taken here is most of the space. */
import { expect, it } from 'vitest'
import { type Cidr, cidr, overlap } from '../../src/control/address.ts'
import { chooseLink, endsOf, explain } from '../../src/control/uplink.ts'

const of = (text: string) => cidr(text) as Cidr

it('gives each link a /30 of its own, of 100.64.0.0/10', () => {
  const taken: Cidr[] = []
  for (let n = 0; n < 100; n++) {
    const link = chooseLink(taken)
    expect([link.prefix, overlap(link, of('100.64.0.0/10'))]).toEqual([30, true])
    expect(taken.filter((each) => overlap(each, link))).toEqual([])
    taken.push(link)
  }
})

it('goes on behind what is wide, and says so when nothing is left', () => {
  const halves = [of('100.64.0.0/11'), of('100.96.0.0/12')]
  const link = chooseLink(halves)
  expect(overlap(link, of('100.112.0.0/12'))).toBe(true)
  const next = chooseLink([...halves, of('100.112.0.1/22'), link])
  expect([of('100.112.0.0/22'), link].some((each) => overlap(each, next))).toBe(false)
  expect(() => chooseLink([...halves, of('100.112.0.0/12')])).toThrow(/write a free subnet: uplink/)
  expect(() => chooseLink([of('100.0.0.0/8')])).toThrow(/has routes to all of 100\.64\.0\.0\/10/)
})

it('the host has the first address, the switch the second; both of a /31', () => {
  expect(endsOf(of('192.0.2.4/30'))).toEqual({
    host: of('192.0.2.5/32').address,
    own: of('192.0.2.6/32').address,
  })
  expect(endsOf(of('192.0.2.6/31'))).toEqual({
    host: of('192.0.2.6/32').address,
    own: of('192.0.2.7/32').address,
  })
})

it.each([
  [{ code: 'EOPNOTSUPP', syscall: 'netlink' }, /nf_tables: the kernel has none.*modprobe nf_tables/],
  [{ code: 'EEXIST', syscall: 'netlink' }, /such a route already; remove it/],
  [{ code: 'EROFS', path: '/proc/sys/x' }, /\/proc\/sys\/x: the file system is read-only; run as root/],
  [{ code: 'EPERM', syscall: 'netlink' }, /what failed: not permitted; run as root \(sudo/],
  [{ code: 'EIO' }, /what failed; see bridgeport doctor/],
])('explains %o', (fields, line) => {
  const error = Object.assign(new Error('what failed'), fields)
  expect(explain(error).message.replaceAll('\n', ' ')).toMatch(line)
})
