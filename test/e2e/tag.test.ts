/** VLAN tags through a qemu-tap: the kernel takes them off a received frame and says so beside it; on the far side they are whole again. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cleanup } from '../lab/cleanup.ts'
import { says } from '../lab/command.ts'
import { Daemon } from '../lab/daemon.ts'
import { Namespace } from '../lab/namespace.ts'
import { suite } from '../lab/peer.ts'
import { broadcast, experimental, mac, tap } from '../lab/plan.ts'
import { frame, Witness } from '../lab/witness.ts'

const opener = join(dirname(fileURLToPath(import.meta.url)), '../lab/tap.py')

/** A frame with the given tags (type and control word each), 46 bytes of payload behind them. */
function tagged(to: string, from: string, tags: string): Buffer {
  const plain = frame(to, from, experimental, Buffer.alloc(46, 7))
  return Buffer.concat([plain.subarray(0, 12), Buffer.from(tags, 'hex'), plain.subarray(12)])
}

suite('VLAN tags through a qemu-tap', ['cap', 'python3'], () => {
  let a: Namespace
  let daemon: Daemon

  beforeAll(async () => {
    a = new Namespace('t')
    const vm = { network: 'lan', type: 'qemu-tap', ifname: 'vm' }
    daemon = await Daemon.start({ networks: { lan: { mode: 'internal' } }, ports: { a: tap(a, 11), vm } })
  })
  afterAll(cleanup)

  it.each([
    ['one tag', '81000005'],
    ['a priority alone', '8100e000'],
    ['two tags', '88a8000781000005'],
  ])('%s, both ways', async (_name, tags) => {
    const seen = await Witness.open(a, 'eth0', `ether src ${mac(33)}`)
    const out = tagged(broadcast, mac(33), tags)
    const guest = daemon.host.spawn('python3', opener, 'vm', '5', out.toString('hex'))
    const back = tagged(mac(33), mac(11), tags)
    await says(guest, /open/)
    await seen.sees(1)
    expect(seen.frames[0]?.toString('hex')).toBe(out.toString('hex'))
    const arrived = says(guest, new RegExp(back.toString('hex')))
    await seen.send(back)
    await arrived
    guest.kill()
  })
})
