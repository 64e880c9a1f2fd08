import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { cleanup, defer } from '../lab/cleanup.ts'
import { attempt, mustSync } from '../lab/command.ts'
import { folder } from '../lab/folder.ts'
import { Guest, held, lines, MIB, PAGE, USER } from './memory.ts'
import { addon, program, threaded } from './probe.ts'

describe('memory that is taken away', () => {
  it('reads as zeros from then on, and is told', () => {
    const [guest, other] = [new Guest(MIB), new Guest(MIB)]
    const [view, neighbour] = [guest.view(0n, 4096), other.view(0n, 4096)]
    view.fill(1)
    neighbour.fill(2)
    ftruncateSync(guest.fd, 0)
    expect(native.guestFaulted(guest.table)).toBe(false)
    expect(view[5]).toBe(0)
    view[5] = 9
    expect(view[5]).toBe(9)
    expect(native.guestFaulted(guest.table)).toBe(true)
    expect(native.guestFaulted(other.table)).toBe(false)
    expect(neighbour[5]).toBe(2)
    // The whole mapping is replaced: the file may grow again.
    ftruncateSync(guest.fd, Number(MIB))
    expect(guest.view(MIB - 1n, 1)[0]).toBe(0)
    guest.close()
    // A slot that is used again is not at fault.
    const next = new Guest(MIB)
    expect(native.guestFaulted(next.table)).toBe(false)
    for (const one of [next, other]) one.close()
    expect(held()).toEqual([])
  })

  it('in a mapping of terabytes', () => {
    const length = 1n << 41n
    const guest = new Guest(length)
    const view = guest.view(length - PAGE, 4096)
    view[0] = 1
    ftruncateSync(guest.fd, 4096)
    expect([view[0], native.guestFaulted(guest.table)]).toEqual([0, true])
    guest.close()
  })

  it('while threads read it in optimised code and in native', async () => {
    const guest = new Guest(4n * MIB)
    const words = new Int32Array(new SharedArrayBuffer(8))
    guest.view(0n, Number(4n * MIB)).fill(1)
    const data = { table: guest.table, user: String(USER), words, length: Number(4n * MIB) }
    const ready = `const { words } = data; const view = native.guestView(data.table, BigInt(data.user), data.length);`
    const read = `${ready} function sum() { let all = 0; for (let i = 0; i < view.length; i += 64) all += view[i]; return all }
      let last = 0; for (let i = 0; i < 1e9 && !(Atomics.load(words, 1) && last === 0); i++) { last = sum(); if (i === 20) Atomics.add(words, 0, 1) }
      return [last, native.guestFaulted(data.table)]`
    const copy = `${ready} native.arenaBind(view, 0, 1, 0);
      let last = 1; for (let i = 0; i < 1e9 && !(Atomics.load(words, 1) && last === 0); i++) { last = native.checksum(0, data.length, 0); if (i === 20) Atomics.add(words, 0, 1) }
      return [last, native.guestFaulted(data.table)]`
    const threads = [threaded(read, data), threaded(read, data), threaded(copy, data)]
    while (Atomics.load(words, 0) < 3) await sleep(5)
    ftruncateSync(guest.fd, 0)
    Atomics.store(words, 1, 1)
    expect(await Promise.all(threads)).toEqual([
      [0, true],
      [0, true],
      [0, true],
    ])
    guest.close()
  })
})

describe('a SIGBUS that is about something else', () => {
  /** A guest's memory, so that the handler is there, and a file of our own that is mapped and empty. */
  const both = `const fs = require('fs')
    const guest = native.guestMap(native.memoryCreate('guest-test', 4096), 0n, 4096n)
    const fd = native.memoryCreate('own', 4096)
    const own = new Uint8Array(native.arenaMap(fd, 4096)); fs.ftruncateSync(fd, 0)`
  const SIGBUS = 128 + 7
  const faulty = `const { workerData: fd } = require('worker_threads')
    const native = require(${JSON.stringify(addon)}); new Uint8Array(native.arenaMap(fd, 4096))[0]`

  it('ends the process as it would without the handler', async () => {
    expect((await attempt(program(`${both}\nown[0]`))).status).toBe(SIGBUS)
    // In another thread.
    const thread = `const { Worker } = require('worker_threads'); new Worker(${JSON.stringify(faulty)}, { eval: true, workerData: fd }); setInterval(() => {}, 1000)`
    expect((await attempt(program(`${both}\n${thread}`))).status).toBe(SIGBUS)
    expect(
      (await attempt(program(`${both}\nprocess.kill(process.pid, 'SIGBUS'); setInterval(() => {}, 1000)`)))
        .status,
    ).toBe(SIGBUS)
  })

  it('goes to the handler that was there before', async () => {
    const body = `process.on('SIGBUS', () => { console.log('told'); process.exit(3) })\n${both}\nprocess.kill(process.pid, 'SIGBUS'); setInterval(() => {}, 1000)`
    const { status, stdout } = await attempt(program(body))
    expect([status, stdout]).toEqual([3, 'told\n'])
  })
})

/** statfs(2) */
const HUGETLBFS = 0x958458f6
const POOL = '/proc/sys/vm/nr_hugepages'

/** A folder of huge pages, two of which are free; '' where that cannot be. */
function hugeFolder(): string {
  try {
    const free = /HugePages_Free: +(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
    const total = readFileSync(POOL, 'utf8')
    if (Number(free) < 2) {
      writeFileSync(POOL, String(Number(total) + 2))
      defer(() => writeFileSync(POOL, total))
    }
    if (existsSync('/dev/hugepages') && statfsSync('/dev/hugepages').type === HUGETLBFS)
      return '/dev/hugepages'
    const path = folder('huge')
    mustSync('mount', '-t', 'hugetlbfs', 'none', path)
    defer(() => mustSync('umount', path))
    return path
  } catch {
    return ''
  }
}

describe('huge pages', () => {
  afterAll(cleanup)
  const at = hugeFolder()
  const name = at === '' ? 'cannot be had here' : 'are mapped whole, and replaced whole'
  it.skipIf(at === '')(name, () => {
    const path = join(at, `guest-test-${process.pid}`)
    const size = statfsSync(at).bsize
    const fd = openSync(path, 'w+')
    rmSync(path)
    ftruncateSync(fd, 2 * size)
    // From the middle of the first page to the middle of the second.
    const mapping = native.guestMap(fd, BigInt(size / 2), BigInt(size))
    const region = { mapping, guest: 0n, user: USER, length: BigInt(size), offset: 0n }
    const table = native.guestTable([region])
    const view = native.guestView(table, USER, size)
    view.fill(3)
    ftruncateSync(fd, size)
    expect([view[0], native.guestFaulted(table)]).toEqual([3, false])
    expect([view[size - 1], native.guestFaulted(table)]).toEqual([0, true])
    expect(view[0]).toBe(0)
    native.guestFree(table)
    native.guestUnmap(mapping)
    closeSync(fd)
    expect(lines().filter((line) => line.includes(path))).toEqual([])
  })
})

describe('ten thousand guests, one after the other', () => {
  it('leave neither mappings nor descriptors', () => {
    const round = (i: number) => {
      const guest = new Guest(MIB)
      const view = guest.view(BigInt(i % 255) * PAGE, 4096)
      view[0] = 1
      if (i % 100 === 0) {
        ftruncateSync(guest.fd, 0)
        expect(view[0]).toBe(0)
      }
      guest.close()
    }
    round(0)
    const [mapped, open] = [lines().length, readdirSync('/proc/self/fd').length]
    for (let i = 0; i < 10_000; i++) round(i)
    expect(held()).toEqual([])
    expect(readdirSync('/proc/self/fd').length).toBe(open)
    // The heap and the allocator map some of their own.
    expect(lines().length).toBeLessThan(mapped + 50)
  })
})
