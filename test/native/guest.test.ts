import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { native } from '../../src/memory/native.ts'
import { Guest, held, MIB, PAGE, USER } from './memory.ts'
import { threaded } from './probe.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** A memfd that is closed when the callback ends. */
function memory<T>(length: number, use: (fd: number) => T): T {
  const fd = native.memoryCreate('guest-test', length)
  try {
    return use(fd)
  } finally {
    native.descriptorClose(fd)
  }
}

function code(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? ''
  }
  return ''
}

describe('mappings', () => {
  it('begin and end within pages, and share their bytes with the file', () => {
    memory(65536, (fd) => {
      const mapping = native.guestMap(fd, 5000n, 10_000n)
      const region = { mapping, guest: PAGE, user: USER, length: 9000n, offset: 1000n }
      const table = native.guestTable([region])
      writeSync(fd, 'guest', 6000)
      expect(Buffer.from(native.guestView(table, USER, 5)).toString()).toBe('guest')
      native.guestView(table, USER + 8999n, 1)[0] = 7
      const bytes = Buffer.alloc(2)
      readSync(fd, bytes, 0, 2, 14_999)
      expect([...bytes]).toEqual([7, 0])
      native.guestFree(table)
      native.guestUnmap(mapping)
    })
    expect(held()).toEqual([])
  })

  it('are kept without the descriptor, and out of core dumps and children', () => {
    const guest = new Guest(MIB, native.memoryCreate('guest-test', Number(MIB)))
    const smaps = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
    const flags = smaps
      .filter((entry) => entry.includes('guest-test'))
      .map((entry) => / dd( |$)/m.test(entry) && / dc( |$)/m.test(entry))
    expect(flags).toEqual([true])
    guest.close()
  })

  it('reach over terabytes, at any guest address', () => {
    const length = 1n << 41n
    const guest = new Guest(length)
    guest.view(length - 1n, 1)[0] = 9
    expect(guest.view(length - 1n, 1)[0]).toBe(9)
    const region = { mapping: guest.mapping, length: MIB, offset: length - MIB }
    const table = native.guestTable([
      { ...region, guest: 2n ** 64n - MIB - 1n, user: 2n ** 64n - MIB - 1n },
      { ...region, guest: 0n, user: 0n },
    ])
    expect(native.guestView(table, 2n ** 64n - 2n, 1)[0]).toBe(9)
    expect(native.guestView(table, MIB - 1n, 1)[0]).toBe(9)
    native.guestFree(table)
    guest.close()
  })

  it('are refused with the reason', () => {
    memory(65536, (fd) => {
      expect(code(() => native.guestMap(fd, 0n, 65537n))).toBe('ERANGE')
      expect(code(() => native.guestMap(fd, 65536n, 1n))).toBe('ERANGE')
      expect(code(() => native.guestMap(fd, 2n ** 64n - 1n, 2n))).toBe('ERANGE')
      expect(code(() => native.guestMap(fd, 0n, 0n))).toBe('EINVAL')
      expect(code(() => native.guestMap(fd, 0n, 2n ** 64n + 1n))).toBe('EINVAL')
      expect(code(() => native.guestMap(fd, -1n, 1n))).toBe('EINVAL')
    })
    const readOnly = openSync(import.meta.filename, 'r')
    const bell = native.doorbellCreate()
    const refused = (fd: number) => code(() => native.guestMap(fd, 0n, 1n))
    expect(refused(bell)).toMatch(/ENODEV|EOPNOTSUPP/)
    expect(refused(-1)).toBe('EBADF')
    // A working copy may lie on a file system that is refused as such.
    expect(refused(readOnly)).toMatch(/EACCES|EOPNOTSUPP/)
    for (const path of ['/dev/zero', '/']) {
      const fd = openSync(path, 'r')
      expect(refused(fd)).toBe('ENODEV')
      closeSync(fd)
    }
    const status = openSync('/proc/self/status', 'r')
    expect(refused(status)).toBe('EOPNOTSUPP')
    for (const fd of [readOnly, bell, status]) native.descriptorClose(fd)
  })

  it('outlive no table, and go once', () => {
    const guest = new Guest(MIB)
    expect(code(() => native.guestUnmap(guest.mapping))).toBe('EBUSY')
    guest.close()
    expect(code(() => native.guestUnmap(guest.mapping))).toBe('EBADF')
    expect(code(() => native.guestFree(guest.table))).toBe('EBADF')
    expect(code(() => guest.view(0n, 1))).toBe('EBADF')
    for (const number of [-1, 1 << 20]) expect(code(() => native.guestUnmap(number))).toBe('EBADF')
  })
})

describe('tables', () => {
  it('refuse regions that overlap, are empty, wrap around or leave their mapping', () => {
    const guest = new Guest(MIB)
    const { mapping } = guest
    const region = { mapping, guest: MIB, user: USER, length: PAGE, offset: 0n }
    const refused = (...more: object[]) =>
      code(() => native.guestTable(more.map((part) => ({ ...region, ...part }))))
    expect(refused({}, { guest: MIB + PAGE - 1n })).toBe('EINVAL')
    expect(refused({}, { guest: MIB - 1n, length: 2n })).toBe('EINVAL')
    expect(refused({}, {})).toBe('EINVAL')
    expect(refused({ length: 0n })).toBe('EINVAL')
    expect(refused({ guest: 2n ** 64n - PAGE })).toBe('EINVAL')
    expect(refused({ user: 2n ** 64n - PAGE + 1n })).toBe('EINVAL')
    expect(refused({ offset: MIB - PAGE + 1n })).toBe('ERANGE')
    expect(refused({ offset: 2n ** 64n - 1n, length: 2n })).toBe('ERANGE')
    expect(refused({ mapping: mapping + 1 })).toBe('EBADF')
    expect(refused({ guest: 5 })).toBe('EINVAL')
    guest.close()
  })

  it('show what lies in one region, and nothing else', () => {
    const guest = new Guest(16n * PAGE)
    const { mapping } = guest
    const table = native.guestTable([
      { mapping, guest: 0n, user: USER + PAGE, length: PAGE, offset: 0n },
      { mapping, guest: PAGE, user: USER, length: PAGE, offset: 8n * PAGE },
    ])
    expect(native.guestView(table, USER, Number(PAGE)).length).toBe(4096)
    for (const [at, length] of [
      [-1n, 1],
      [-1n, 2],
      [0n, 4097],
      [4095n, 2],
      [2n * PAGE, 1],
      [2n ** 62n, 1],
    ] as const)
      expect(
        code(() => native.guestView(table, USER + at, length)),
        `${at}`,
      ).toBe('ERANGE')
    for (const length of [0, -1, 2 ** 31, Number.NaN])
      expect(
        code(() => native.guestView(table, USER, length)),
        `${length}`,
      ).toBe('EINVAL')
    native.guestFree(table)
    guest.close()
  })

  it('may have no region, and number as many as there are ports', () => {
    const guest = new Guest(MIB)
    const made = Array.from({ length: 2000 }, (_, i) =>
      native.guestTable(
        i % 2 === 0 ? [] : [{ mapping: guest.mapping, guest: 0n, user: 0n, length: 1n, offset: BigInt(i) }],
      ),
    )
    expect(new Set(made).size).toBe(2000)
    expect(code(() => native.guestView(made[0], 0n, 1))).toBe('ERANGE')
    const rest: number[] = []
    expect(
      code(() => {
        for (;;) rest.push(native.guestTable([]))
      }),
    ).toBe('ENOSPC')
    for (const table of [...made, ...rest]) native.guestFree(table)
    guest.close()
  })
})

describe('views', () => {
  /** Makes views by the thousands, drops them and collects garbage between; returns how much Node keeps beside the heap at two points. */
  const churn = `
    require('v8').setFlagsFromString('--expose-gc'); const collect = require('vm').runInNewContext('gc');
    const kept = [], sums = [];
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 5000; i++) {
        const view = native.guestView(data.table, BigInt(data.user) + BigInt((i % 3) * 4096), 4096);
        const words = new Int32Array(view.buffer, view.byteOffset, 1024); words[1] += 1;
        if (i % 500 === 0) kept[i / 500] = words;
      }
      collect(); sums.push(process.memoryUsage().external)
    }
    return [sums[1], sums[3]]`

  it('come and go by the thousands in several threads, and cost nothing that stays', async () => {
    const guest = new Guest(MIB)
    const data = { table: guest.table, user: String(USER) }
    const own = new Function('native', 'data', 'require', churn)(
      native,
      data,
      createRequire(import.meta.url),
    ) as [number, number]
    const others = (await Promise.all([threaded(churn, data), threaded(churn, data)])) as [number, number][]
    for (const [before, after] of [own, ...others]) expect(after - before).toBeLessThan(100_000)
    guest.close()
  })

  it('are collected after their mapping is gone, in a thread and at its end, without harm', async () => {
    const guest = new Guest(MIB)
    let stale: Uint8Array[] | null = Array.from({ length: 1000 }, () => guest.view(0n, 4096))
    const long = new Guest(16n * MIB)
    stale.push(long.view(0n, Number(8n * MIB)))
    const words = new Int32Array(new SharedArrayBuffer(8))
    const thread = threaded(
      `const user = BigInt(data.user)
      globalThis.kept = [native.guestView(data.table, user, 4096), native.guestView(data.long, user, 8 << 20)]
      Atomics.store(data.words, 0, 1)
      Atomics.wait(data.words, 1, 0)
      return kept.length`,
      { table: guest.table, long: long.table, user: String(USER), words },
    )
    while (Atomics.load(words, 0) === 0) await sleep(5)
    guest.close()
    long.close()
    stale = null
    collect()
    collect()
    Atomics.store(words, 1, 1)
    Atomics.notify(words, 1)
    expect(await thread).toBe(2)
  })
})
