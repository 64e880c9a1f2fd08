/** A guest's memory for tests: a memfd with one region, mapped whole at guest address 0. */
import { readFileSync } from 'node:fs'
import { native } from '../../src/memory/native.ts'

export const PAGE = 4096n
export const MIB = 1n << 20n
/** Where the front-ends of the tests have their memory. */
export const USER = 0x7f12_0000_0000n

export class Guest {
  readonly fd: number
  readonly mapping: number
  readonly table: number

  constructor(length: bigint, fd = native.memoryCreate('guest-test', Number(length))) {
    this.fd = fd
    this.mapping = native.guestMap(fd, 0n, length)
    this.table = native.guestTable([{ mapping: this.mapping, guest: 0n, user: USER, length, offset: 0n }])
  }

  view(at: bigint, length: number): Uint8Array<ArrayBuffer> {
    return native.guestView(this.table, USER + at, length)
  }

  close(): void {
    native.guestFree(this.table)
    native.guestUnmap(this.mapping)
    native.descriptorClose(this.fd)
  }
}

export function lines(): string[] {
  return readFileSync('/proc/self/maps', 'utf8').split('\n')
}

/** Mappings of memfds of these tests. */
export function held(): string[] {
  return lines().filter((line) => line.includes('guest-test'))
}
