import { DYNAMIC } from '../../src/table/mac.ts'
import { BURST, rig, StreamQueue, stream } from './rig.ts'

for (const macs of [1, 1000, 60000]) {
  const { arena, dataplane, ports } = rig(2, 65536)
  const queue = new StreamQueue(arena, stream(macs, 4096), 60)
  const out = new StreamQueue(arena, new Int32Array(2), 60)
  ports[1].queue = out
  for (let m = 0; m < macs >> 1 || m < 1; m++)
    ports[1].network.macs.insert(0x0200, Math.max(1, macs >> 1) + m, 1, DYNAMIC, 0)
  for (const cap of [1, 8, 64]) {
    const q = {
      fd: -1,
      quiet: true,
      receive: (p: any, b: number, c: number) => queue.receive(p, b, Math.min(c, cap)),
      transmit: () => 0,
      close() {},
    }
    const run = (n: number) => {
      for (let i = 0; i < n; i += cap) dataplane.service(ports[0], q)
    }
    run(500000)
    let best = 1e9
    for (let r = 0; r < 5; r++) {
      const t = performance.now()
      run(1000000)
      best = Math.min(best, performance.now() - t)
    }
    console.log(macs, cap, best.toFixed(1), 'ns/frame', out.sent)
  }
}
