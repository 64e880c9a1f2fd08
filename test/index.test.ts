import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configure, Refusal, type Switch } from '../src/index.ts'
import { attempt, eventually, pause } from './lab/command.ts'
import { during, plan, receive } from './lab/fabric.ts'
import { broadcast, numbered, station } from './lab/frame.ts'

const rows = (fabric: Switch) => Object.fromEntries(fabric.ports().map((port) => [port.name, port]))
const places = (fabric: Switch) => fabric.macs().map(({ mac, port, kind }) => `${mac} ${port} ${kind}`)
const text = (number: number) => `02:00:00:00:00:0${number}`

/** Sends a frame and expects it at exactly those ports, soon. */
async function expectAt(fabric: Switch, from: string, frame: Uint8Array, ...to: string[]): Promise<void> {
  expect(fabric.memory(from).send(frame)).toBe(true)
  for (const name of to) expect(await receive(fabric.memory(name), 1)).toEqual([frame])
  await pause(5)
  for (const { name } of fabric.ports()) expect(fabric.memory(name).receive()).toBe(null)
}

describe('a switch in a program', () => {
  it('learns, forwards, counts and lists', () =>
    during(plan('abc'), async (fabric) => {
      await expectAt(fabric, 'a', numbered(broadcast, station(1), 1), 'b', 'c')
      await expectAt(fabric, 'b', numbered(station(1), station(2), 2, 1514), 'a')
      expect(places(fabric)).toEqual(expect.arrayContaining([`${text(1)} a dynamic`, `${text(2)} b dynamic`]))
      await eventually('both are counted', () => rows(fabric).a.txFrames === 1)
      expect(rows(fabric).a).toMatchObject({
        rxFrames: 1,
        rxBytes: 60,
        txFrames: 1,
        txBytes: 1514,
        drops: {},
      })
      expect(fabric.networks()).toMatchObject([{ name: 'lab', ports: 3, macs: 2, mode: 'internal' }])
      expect(await fabric.flushMacs('lab', 'a')).toBe(1)
      expect(places(fabric)).toEqual([`${text(2)} b dynamic`])
      expect(await fabric.flushMacs()).toBe(1)
      const [worker] = fabric.workers()
      expect([worker.frames, worker.bursts, worker.burstHistogram[0]]).toEqual([2, 2, 2])
      expect(worker.delayHistogram.reduce((sum, bursts) => sum + bursts)).toBe(2)
    }))

  it('carries vnet headers, and refuses what no slot holds', () =>
    during(plan('ab'), async (fabric) => {
      const [a, b] = ['a', 'b'].map((name) => fabric.memory(name))
      expect(fabric.memory('a')).toBe(a)
      const header = Uint8Array.of(1, 0, 0, 0, 0, 0, 34, 0, 6, 0)
      a.send(numbered(broadcast, station(1), 1), header)
      const got = await eventually('a frame', () => b.receive())
      expect(got?.vnet).toEqual(header)
      expect(() => a.send(new Uint8Array(65_558))).toThrow(RangeError)
      a.send(new Uint8Array(0))
      await eventually('a runt', () => rows(fabric).a.drops.runt === 1)
    }))

  it('tells of frames when it is asked to', () =>
    during(plan('ab'), async (fabric) => {
      const [a, b] = ['a', 'b'].map((name) => fabric.memory(name))
      const told = new Promise<void>((resolve) => {
        b.onframes = resolve
      })
      expect(b.listen()).toBe(true)
      await pause(50)
      a.send(numbered(broadcast, station(1), 1))
      await told
      expect(b.listen()).toBe(false)
      expect(b.receive()).not.toBe(null)
    }))

  it('drops and counts for a reader that does not read', () =>
    during(plan('ab'), async (fabric) => {
      const a = fabric.memory('a')
      for (let i = 0; i < 200; i++) await eventually('room', () => a.send(numbered(broadcast, station(1), i)))
      await eventually('all frames', () => rows(fabric).a.rxFrames === 200)
      await eventually('all drops', () => rows(fabric).b.drops.egress_full === 72)
      expect([rows(fabric).b.txFrames, rows(fabric).b.drops]).toEqual([128, { egress_full: 72 }])
      expect((await receive(fabric.memory('b'), 128)).length).toBe(128)
    }))
})

describe('a worker that falls asleep', () => {
  /** A lost wake-up would leave a frame lying until the sleep of a second ends. */
  it.each([1, 2])('is woken in time, with %d workers', (workers) =>
    during(plan('ab', { workers }), async (fabric) => {
      const [a, b] = ['a', 'b'].map((name) => fabric.memory(name))
      let longestMs = 0
      for (let i = 0; i < 2000; i++) {
        const [from, to] = i % 2 === 0 ? [a, b] : [b, a]
        let waitedMs = 0
        let before = performance.now()
        from.send(numbered(broadcast, station(1 + (i % 2)), i))
        // Time in which this thread was not given a core, either, is nobody's sleep.
        for (let now = before; !to.receive(); before = now) {
          await new Promise(setImmediate)
          now = performance.now()
          waitedMs += Math.min(now - before, 20)
        }
        longestMs = Math.max(longestMs, waitedMs)
        // From nothing to twice the time that it polls before it sleeps.
        const until = performance.now() + ((i * 7919) % 101) / 1000
        while (performance.now() < until);
      }
      expect(longestMs).toBeLessThan(900)
    }),
  )
})

describe('apply', () => {
  it('leaves ports that stay undisturbed, flushes those that go, and serves new ones', () =>
    during(plan('abc'), async (fabric) => {
      const a = fabric.memory('a')
      await expectAt(fabric, 'a', numbered(broadcast, station(1), 1), 'b', 'c')
      await expectAt(fabric, 'b', numbered(broadcast, station(2), 2), 'a', 'c')
      await fabric.apply(configure(plan('acd')))
      expect(fabric.memory('a')).toBe(a)
      expect(places(fabric)).toEqual([`${text(1)} a dynamic`])
      expect(() => fabric.memory('b')).toThrow(Refusal)
      await expectAt(fabric, 'd', numbered(station(1), station(4), 3), 'a')
      await fabric.apply(configure(plan('abcd')))
      expect(rows(fabric).b.rxFrames).toBe(0)
      await expectAt(fabric, 'b', numbered(station(4), station(5), 4), 'd')
    }))

  it('is whole or not at all', () =>
    during(plan('abc'), async (fabric) => {
      await expectAt(fabric, 'a', numbered(broadcast, station(1), 1), 'b', 'c')
      await fabric.addMac('lab', text(9), 'b')
      const before = [fabric.networks(), fabric.ports(), places(fabric)]
      const gone = { network: 'lab', type: 'tap' as const, netns: 'no-such-namespace', ifname: 'eth0' }
      const worse = plan('acd', {
        networks: { lab: { mode: 'internal', isolated: true, mtu: 9000 }, other: { mode: 'internal' } },
        ports: { gone },
      })
      for (let i = 0; i < 50; i++) {
        await expect(fabric.apply(configure(worse))).rejects.toThrow(
          /port gone: there is no namespace no-such/,
        )
      }
      expect([fabric.networks(), fabric.ports(), places(fabric)]).toEqual(before)
      await expectAt(fabric, 'c', numbered(station(1), station(3), 2), 'a')
      await expectAt(fabric, 'c', numbered(text(9), station(3), 3), 'b')
    }))

  it('refuses more memory than there is, and goes on', () =>
    during(plan('ab'), async (fabric) => {
      const many = Object.fromEntries(
        Array.from({ length: 200 }, (_, i) => [`m${i}`, { network: 'lab', type: 'memory' as const }]),
      )
      await expect(fabric.apply(configure(plan('ab', { ports: many })))).rejects.toThrow(/no .* bytes left/)
      expect(fabric.ports().map(({ name }) => name)).toEqual(['a', 'b'])
      await expectAt(fabric, 'a', numbered(broadcast, station(1), 1), 'b')
      await fabric.apply(configure(plan('abcdefgh')))
      await expectAt(fabric, 'h', numbered(station(1), station(2), 2), 'a')
    }))

  it('keeps networks closed when a port with a static MAC moves to another', () =>
    during(plan('ab', { networks: { other: { mode: 'internal' } } }), async (fabric) => {
      await fabric.addMac('lab', text(9), 'a')
      const ports = { a: { network: 'other', type: 'memory' as const } }
      await fabric.apply(configure(plan('bc', { networks: { other: { mode: 'internal' } }, ports })))
      await expectAt(fabric, 'b', numbered(text(9), station(2), 1), 'c')
    }))

  it('takes a static MAC into a table that is full', () =>
    during(
      plan('ab', { networks: { lab: { mode: 'internal', macTable: { capacity: 16 } } } }),
      async (fabric) => {
        for (let i = 0; i < 20; i++) await expectAt(fabric, 'a', numbered(broadcast, station(i + 1), i), 'b')
        await fabric.addMac('lab', '02:00:00:00:77:77', 'b')
        expect(places(fabric)).toContain('02:00:00:00:77:77 b static')
      },
    ))

  it('refuses another number of workers and what is not there', () =>
    during(plan('a'), async (fabric) => {
      await expect(fabric.apply(configure(plan('a', { workers: 2 })))).rejects.toThrow(/workers: .*restart/)
      await expect(fabric.addMac('lab', '01:00:00:00:00:01', 'a')).rejects.toThrow(/not the MAC of a station/)
      await expect(fabric.addMac('nowhere', text(1), 'a')).rejects.toThrow(/no network nowhere/)
      await expect(fabric.addMac('lab', text(1), 'b')).rejects.toThrow(/has no port b/)
      await expect(fabric.removeMac('lab', text(1))).rejects.toThrow(/no such static entry/)
      await expect(fabric.flushMacs('nowhere')).rejects.toThrow(Refusal)
      await expect(fabric.flushMacs('lab', 'b')).rejects.toThrow(Refusal)
      expect(() => fabric.memory('b')).toThrow(/port b: there is no memory port of that name/)
      expect(fabric.allocateAddress('lab')).toBe(null)
    }))
})

describe('the end', () => {
  const script = join(import.meta.dirname ?? '', 'lab/embedding.mjs')
  it.each(['close', 'closeNow', 'refused'])('after %s the process ends by itself', async (way) => {
    const { status, stdout, stderr } = await attempt([process.execPath, script, way], { timeoutMs: 10_000 })
    expect([status, stdout.trim(), stderr]).toEqual([0, way === 'refused' ? 'refused' : 'carried', ''])
  })
})
