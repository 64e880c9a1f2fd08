/** A switch that has nothing to do. Time is printed, never judged; memory is. */
import { afterAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { pause } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { address, lan, tap } from '../lab/plan.ts'

const megabyte = 1 << 20

suite('at rest', [], () => {
  afterAll(cleanup)

  it('four idle ports: little memory, no processor', async () => {
    const spaces = [1, 2, 3, 4].map(() => new Namespace('n'))
    const ports = Object.fromEntries(spaces.map((space, index) => [`p${index}`, tap(space, 11 + index)]))
    const daemon = await Daemon.start({ networks: { lan }, ports })
    await spaces[0]?.exec(['ping', '-c', '1', address(14)])
    // The kernels in the namespaces announce themselves, and V8 compiles and, some ten seconds after its last work, collects once: let them.
    await pause(14_000)
    const before = daemon.cpuSeconds()
    await pause(6000)
    const percent = ((daemon.cpuSeconds() - before) / 6) * 100
    process.stdout.write(
      `idle: ${percent.toFixed(2)} % of a core, ${Math.round(daemon.rss() / megabyte)} MB\n`,
    )
    expect(daemon.rss()).toBeLessThan(120 * megabyte)
  })
})
