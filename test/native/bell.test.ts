import { spawnSync } from 'node:child_process'
import { readFileSync, readSync, writeSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { present } from '../lab/peer.ts'
import { threaded } from './probe.ts'

/** Takes O_NONBLOCK off descriptor 3: for everybody who has it. */
const LOOSENER = 'import fcntl\nfcntl.fcntl(3, fcntl.F_SETFL, fcntl.fcntl(3, fcntl.F_GETFL) & ~0o4000)'
const FULL = 2n ** 64n - 2n

function counted(fd: number): bigint {
  const bytes = Buffer.alloc(8)
  readSync(fd, bytes)
  return bytes.readBigUInt64LE()
}

describe('a doorbell that another party has', () => {
  it('counts as often as it is rung', () => {
    const fd = native.doorbellCreate()
    for (let i = 0; i < 10_000; i++) expect(native.bellRing(fd)).toBe(0)
    expect(counted(fd)).toBe(10_000n)
    native.descriptorClose(fd)
  })

  it('is rung by several threads', async () => {
    const fd = native.doorbellCreate()
    const ring = 'for (let i = 0; i < 5000; i++) if (native.bellRing(data) !== 0) return i; return -1'
    expect(await Promise.all([threaded(ring, fd), threaded(ring, fd)])).toEqual([-1, -1])
    expect(counted(fd)).toBe(10_000n)
    native.descriptorClose(fd)
  })

  it.skipIf(!present('python3'))('keeps nobody waiting when it is full and was made to', async () => {
    const fd = native.doorbellCreate()
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(FULL)
    writeSync(fd, bytes)
    spawnSync('python3', ['-c', LOOSENER], { stdio: ['ignore', 'inherit', 'inherit', fd] })
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/flags:\t0?2000002/)
    const ring = 'for (let i = 0; i < 100; i++) if (native.bellRing(data) !== 0) return i; return -1'
    expect(await threaded(ring, fd)).toBe(-1)
    expect(counted(fd)).toBeGreaterThanOrEqual(FULL)
    native.descriptorClose(fd)
  })

  it('is not rung where it is none', () => {
    expect(native.bellRing(-1)).toBeLessThan(0)
  })
})
