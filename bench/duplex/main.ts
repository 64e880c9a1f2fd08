/**
 * The baseline: two TAPs joined with `pipe`, the way most programs on Node would do it. It does not even learn MACs.
 *
 *   node dist/bench/duplex.js IFNAME IFNAME
 */
import { spawnSync } from 'node:child_process'
import { native } from '../../src/memory/native.ts'
import { TapStream } from './stream.ts'

function open(ifname: string): number {
  const device = { kind: 'tap', netns: '', queues: 1, offload: false, persist: false, owner: -1 } as const
  return native.deviceOpen({ ...device, ifname, alias: '' }).fds[0]
}

const [first, second] = process.argv.slice(2)
const fds = [open(first), open(second)]
// The addon opens descriptors without blocking, and Node has no fcntl(2). But libuv makes a child's standard streams blocking,
// and that mark belongs to the open file, which parent and child share.
spawnSync('true', { stdio: [fds[0], fds[1], 'ignore'] })
const [a, b] = fds.map((fd) => new TapStream(fd))
a.pipe(b)
b.pipe(a)
process.stdout.write('ready\n')
