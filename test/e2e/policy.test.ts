/** What the switch refuses when told so: isolation, guard, limits, static MACs. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { eventually } from '../lab/command.ts'
import { Daemon, type MacRow } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, broadcast, experimental, hostAddress, lan, mac, tap } from '../lab/plan.ts'
import { frame, Witness } from '../lab/witness.ts'

suite('policy', ['cap'], () => {
  const names = ['free', 'free2', 'lone', 'lone2', 'guarded', 'limited', 'calm'] as const
  const at: Record<string, Namespace> = {}
  const number = (name: (typeof names)[number]) => 11 + names.indexOf(name)
  let daemon: Daemon

  beforeAll(async () => {
    for (const name of names) at[name] = new Namespace(name)
    const more: Record<string, object> = {
      lone: { isolated: true },
      lone2: { isolated: true },
      guarded: { guard: true },
      limited: { macLimit: 4 },
      calm: { floodLimit: '10/s' },
    }
    const ports = Object.fromEntries(names.map((name) => [name, tap(at[name], number(name), more[name])]))
    daemon = await Daemon.start({ networks: { lan: { ...lan, macTable: { ageing: '2s' } } }, ports })
  })
  afterAll(cleanup)

  const pings = async (from: string, to: string) =>
    (await at[from]?.attempt(['ping', '-c', '1', '-W', '1', to]))?.status === 0

  const knows = async (who: string) => (await daemon.macs()).some((row) => row.mac === who)

  /** Sends from a MAC until it is known: who asks late finds an entry that is old already. */
  async function teach(sender: Witness, who: string): Promise<void> {
    await eventually(`${who} is known`, async () => {
      await sender.send(frame(broadcast, who, experimental))
      return knows(who)
    })
  }

  it('isolated ports reach the host and nobody else', async () => {
    expect(await pings('lone', hostAddress)).toBe(true)
    expect(await pings('lone', address(number('lone2')))).toBe(false)
    expect(await pings('lone', address(number('free')))).toBe(false)
    expect(await pings('free', address(number('lone')))).toBe(false)
    expect(await pings('free', address(number('free2')))).toBe(true)
    const before = (await daemon.port('lone')).drops.isolated ?? 0
    const seen = await Witness.open(at.lone2, 'eth0', `ether proto ${experimental}`)
    const sender = await Witness.open(at.lone, 'eth0')
    await teach(seen, mac(number('lone2')))
    await sender.send(frame(mac(number('lone2')), mac(number('lone')), experimental), 5)
    expect(await seen.quiet()).toBe(0)
    expect((await daemon.port('lone')).drops.isolated).toBe(before + 5)
  })

  it('a guarded port sends with its own MAC and address only, ARP included', async () => {
    expect(await pings('guarded', address(number('free')))).toBe(true)
    const seen = await Witness.open(at.free, 'eth0', `ether proto ${experimental} or ether src ${mac(200)}`)
    const sender = await Witness.open(at.guarded, 'eth0')
    await sender.send(frame(broadcast, mac(200), experimental))
    expect(await seen.quiet()).toBe(0)
    const before = (await daemon.port('guarded')).drops.guard
    expect(before).toBeGreaterThan(0)
    // Another address on the right MAC: its ARP says so, and its IP packets do.
    await at.guarded.exec(['ip', 'addr', 'add', `${address(99)}/32`, 'dev', 'eth0'])
    expect(
      (await at.guarded.attempt(['ping', '-c', '1', '-W', '1', '-I', address(99), address(12)])).status,
    ).not.toBe(0)
    expect((await daemon.port('guarded')).drops.guard).toBeGreaterThan(before ?? 0)
    expect(await pings('guarded', address(number('free')))).toBe(true)
  })

  it('macLimit bounds what a port may teach', async () => {
    const sender = await Witness.open(at.limited, 'eth0')
    await sender.sendMacs(frame(broadcast, '02:77:00:00:00:00', experimental), 20)
    await eventually('drops', async () => ((await daemon.port('limited')).drops.mac_limit ?? 0) >= 16)
    const learned = (await daemon.macs()).filter((row) => row.port === 'limited')
    expect(learned.length).toBeLessThanOrEqual(4)
  })

  it('floodLimit bounds broadcasts and leaves unicast alone', async () => {
    const seen = await Witness.open(at.free, 'eth0', `ether src ${mac(number('calm'))}`)
    const sender = await Witness.open(at.calm, 'eth0', `ether src ${mac(number('free'))}`)
    await sender.send(frame(broadcast, mac(number('calm')), experimental), 200)
    expect(await seen.quiet()).toBeLessThan(60)
    expect((await daemon.port('calm')).drops.flood_limit).toBeGreaterThan(140)
    const flooded = seen.frames.length
    const known = await Witness.open(at.free, 'eth0')
    const heard = sender.frames.length
    await known.send(frame(broadcast, mac(number('free')), experimental))
    await sender.sees(heard + 1)
    await sender.send(frame(mac(number('free')), mac(number('calm')), experimental), 200)
    await seen.sees(flooded + 200)
  })

  it('an entry ages, a flush empties the table', async () => {
    const sender = await Witness.open(at.free, 'eth0')
    await teach(sender, '02:aa:00:00:00:01')
    await eventually('aged', async () => !(await knows('02:aa:00:00:00:01')))
    await teach(sender, '02:aa:00:00:00:02')
    await daemon.cli('mac', 'flush')
    expect(await knows('02:aa:00:00:00:02')).toBe(false)
  })

  it('a host that moves to another port is found there at once', async () => {
    const roaming = '02:aa:00:00:00:03'
    const first = await Witness.open(at.free, 'eth0', `ether dst ${roaming}`)
    const second = await Witness.open(at.free2, 'eth0', `ether dst ${roaming}`)
    const sender = await Witness.open(at.calm, 'eth0', `ether src ${roaming}`)
    await first.send(frame(broadcast, roaming, experimental))
    await sender.sees(1)
    await sender.send(frame(roaming, mac(number('calm')), experimental))
    await first.sees(1)
    await second.send(frame(broadcast, roaming, experimental))
    await sender.sees(2)
    await sender.send(frame(roaming, mac(number('calm')), experimental))
    await second.sees(1)
    expect(first.frames).toHaveLength(1)
  })

  it('static entries hold against learning, and MACs of the host are never learned', async () => {
    const fixed = '02:bb:00:00:00:01'
    await daemon.cli('mac', 'add', fixed, '--network', 'lan', '--port', 'free')
    const found = (rows: MacRow[]) => rows.find((row) => row.mac === fixed)
    expect(found(JSON.parse(await daemon.cli('mac', 'ls', '--json')))).toEqual(found(await daemon.macs()))
    const rightful = await Witness.open(at.free, 'eth0', `ether dst ${fixed}`)
    const thief = await Witness.open(at.free2, 'eth0', `ether dst ${fixed}`)
    await thief.send(frame(broadcast, fixed, experimental))
    const sender = await Witness.open(at.calm, 'eth0')
    await sender.send(frame(fixed, mac(number('calm')), experimental))
    await rightful.sees(1)
    expect(await thief.quiet()).toBe(0)
    const host = (await daemon.macs()).find((row) => row.kind === 'host')?.mac ?? ''
    expect(host).not.toBe('')
    await thief.send(frame(broadcast, host, experimental))
    await eventually(
      'both are refused',
      async () => ((await daemon.port('free2')).drops.source_protected ?? 0) >= 2,
    )
    expect(await pings('free', hostAddress)).toBe(true)
    await daemon.cli('mac', 'rm', fixed, '--network', 'lan')
    expect((await daemon.macs()).some((row) => row.mac === fixed)).toBe(false)
  })
})
