/** Leases on disk and in time. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { type Lease, now } from '../../../src/service/dhcp/lease.ts'
import { Leases } from '../../../src/service/dhcp/store.ts'
import { cleanup } from '../../lab/cleanup.ts'
import { eventually } from '../../lab/command.ts'
import { Diary, four, stateFolder } from '../../lab/dhcp.ts'

afterAll(cleanup)

function lease(number: number, more: Partial<Lease> = {}): Lease {
  const mac = `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`
  const base = { network: 'lab', address: four(`10.8.0.${number}`), client: mac, mac, hostname: '' }
  return { ...base, state: 'bound', kind: 'dynamic', until: now() + 60_000, ingress: 4, ...more }
}

it('reads what it wrote: who has an address, who had one, and no offers', async () => {
  const path = join(stateFolder(), 'deep', 'leases.json')
  const first = new Leases(path, new Diary())
  const book = first.book('lab')
  book.assign(lease(1, { hostname: 'web' }))
  book.assign(lease(2, { kind: 'port', until: Number.POSITIVE_INFINITY }))
  book.assign(lease(3))
  book.move(book.at(four('10.8.0.3'))!, 'ended', now())
  book.assign(lease(4, { state: 'offered' }))
  book.dispute(four('10.8.0.5'), 1, now() + 1000)
  await first.close()
  const again = new Leases(path, new Diary()).book('lab')
  expect([...again.bound.values()]).toMatchObject([
    { address: four('10.8.0.1'), hostname: 'web', ingress: -1, kind: 'dynamic' },
    { address: four('10.8.0.2'), kind: 'port', until: Number.POSITIVE_INFINITY },
  ])
  expect(again.named('web')).toBeDefined()
  expect([...again.ended.keys()]).toEqual([four('10.8.0.3')])
  expect([...again.offered.keys(), ...again.conflict.keys()]).toEqual([])
  expect(again.of(lease(3).client)).toMatchObject({ state: 'ended' })
})

it('is on disk within a second, whole at every moment', async () => {
  const path = join(stateFolder(), 'leases.json')
  const leases = new Leases(path, new Diary())
  for (let number = 1; number < 200; number++) {
    leases.book('lab').assign(lease(number))
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (existsSync(path)) JSON.parse(readFileSync(path, 'utf8'))
  }
  await eventually('the last one', () => JSON.parse(readFileSync(path, 'utf8')).leases.length === 199)
  await leases.close()
})

it('a lease that ended while nobody ran is over', async () => {
  const path = join(stateFolder(), 'leases.json')
  const first = new Leases(path, new Diary())
  first.book('lab').assign(lease(1, { until: now() + 30 }))
  await first.close()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(new Leases(path, new Diary()).list()).toEqual([])
})

it.each(['', '{', '{"version":2,"leases":[]}', '{"version":1,"leases":[{"address":"x"}]}'])(
  'a file that holds %j is put aside, and said',
  (content) => {
    const path = join(stateFolder(), 'leases.json')
    writeFileSync(path, content)
    const diary = new Diary()
    expect(new Leases(path, diary).list()).toEqual([])
    expect(diary.lines).toHaveLength(1)
    expect(readFileSync(`${path}.bad`, 'utf8')).toBe(content)
  },
)

it('a disk that takes nothing is said once, and leases go on', async () => {
  const folder = stateFolder()
  const path = join(folder, 'leases.json')
  mkdirSync(`${path}.new`) // nothing can be written under that name
  const diary = new Diary()
  const leases = new Leases(path, diary)
  leases.book('lab').assign(lease(1))
  await eventually('the line', () => diary.lines.length === 1)
  expect(diary.lines[0]).toMatch(/leases cannot be written: EISDIR/)
  rmSync(`${path}.new`, { recursive: true })
  leases.book('lab').assign(lease(2))
  await leases.close()
  expect(JSON.parse(readFileSync(path, 'utf8')).leases).toHaveLength(2)
  expect(diary.lines).toHaveLength(1)
})

it('ends leases in their time, and tells who wants to know', async () => {
  const leases = new Leases(null, new Diary())
  const told: string[] = []
  leases.onchange = ({ address }, what) => told.push(`${address & 0xff} ${what}`)
  leases.book('lab').assign(lease(1, { until: now() + 100 }))
  leases.book('lab').assign(lease(2, { until: now() + 60_000 }))
  leases.book('lab').assign(lease(3, { state: 'offered', until: now() + 100 }))
  await eventually('the end', () => told.length === 3)
  expect(told).toEqual(['1 begun', '2 begun', '1 ended'])
  expect(leases.book('lab').offered.size).toBe(0)
  expect(leases.remove('lab', four('10.8.0.2'))).toBe(true)
  expect(leases.remove('lab', four('10.8.0.2'))).toBe(false)
  expect(leases.remove('other', four('10.8.0.2'))).toBe(false)
  expect(told.at(-1)).toBe('2 ended')
  leases.book('lab').assign(lease(7))
  leases.drop('lab')
  expect(told.at(-1)).toBe('7 ended')
  expect(leases.list()).toEqual([])
  await leases.close()
})
