/** Messages that no front-end may send: malformed, out of order, about things that are not there. */
import { openSync } from 'node:fs'
import { native } from '../../../src/memory/native.ts'
import * as feature from './feature.ts'
import type { Front } from './front.ts'
import * as message from './message.ts'
import type { Station } from './station.ts'

export interface Offence {
  what: string
  /** how far the front-end has come: connected, features agreed upon, or its rings run */
  stage: 'fresh' | 'agreed' | 'running'
  commit: (front: Front, station: Station) => void
}

const { u32, u64 } = message
const none = Buffer.alloc(0)
const PAGE = 4096n

/** Descriptors that are made for an offence; closed with it. */
const made: number[] = []

export function discard(): void {
  for (const fd of made.splice(0)) native.descriptorClose(fd)
}

function keep(fd: number): number {
  made.push(fd)
  return fd
}

const file = (length = 2 ** 16) => keep(native.memoryCreate('bridgeport-test-offence', length))
const opened = (path: string, flags: string) => keep(openSync(path, flags))
const eventfd = () => keep(native.doorbellCreate())

/** One message of that request. */
function sends(request: number, payload: Uint8Array, fds: () => number[] = () => []): Offence['commit'] {
  return (front) => front.send(request, payload, fds())
}

/** A table of regions, each guest address, length, user address and offset; `count` is what it says of itself. */
function tables(regions: bigint[][], fds: () => number[], count = regions.length): Offence['commit'] {
  return sends(
    feature.SET_MEM_TABLE,
    Buffer.concat([u32(count, 0), ...regions.map((each) => u64(...each))]),
    fds,
  )
}

/** A message whose header says something else than is there. */
function headed(
  request: number,
  flags: number,
  length: number,
  payload: Uint8Array = none,
): Offence['commit'] {
  return (front) => void front.raw(message.message(request, payload, flags, length))
}

const fresh: [string, Offence['commit']][] = [
  ['request 0', sends(0, none)],
  ['a request that nobody has', sends(4711, none)],
  ['a request that was not offered', sends(feature.GET_CONFIG, Buffer.alloc(268))],
  ['version 0', headed(feature.GET_FEATURES, 0, 0)],
  ['version 2', headed(feature.GET_FEATURES, 2, 0)],
  ['an answer that nobody asked for', headed(feature.GET_FEATURES, message.VERSION | message.REPLY, 0)],
  ['4 GiB of payload', headed(feature.SET_OWNER, 1, 0xffffffff)],
  ['payload where none belongs', sends(feature.SET_OWNER, u64(0n))],
  ['features of 4 bytes', sends(feature.SET_FEATURES, u32(0))],
  ['features of 16 bytes', sends(feature.SET_FEATURES, u64(0n, 0n))],
  ['a state of a ring of 7 bytes', sends(feature.SET_VRING_NUM, Buffer.alloc(7))],
  ['addresses of 39 bytes', sends(feature.SET_VRING_ADDR, Buffer.alloc(39))],
  ['a table of no bytes', sends(feature.SET_MEM_TABLE, none)],
  ['a table of half a region', sends(feature.SET_MEM_TABLE, Buffer.alloc(24))],
  ['a region of 39 bytes', sends(feature.ADD_MEM_REG, Buffer.alloc(39), () => [file()])],
  ['a descriptor that nobody wants', sends(feature.GET_FEATURES, none, () => [file()])],
  ['253 descriptors that nobody wants', sends(feature.SET_OWNER, none, () => Array(253).fill(file()))],
  ['features that were not offered', sends(feature.SET_FEATURES, u64(1n << 63n))],
  ['packed rings', sends(feature.SET_FEATURES, u64(feature.VERSION_1 | feature.RING_PACKED))],
  ['protocol features that were not offered', sends(feature.SET_PROTOCOL_FEATURES, u64(1n << 62n))],
]

const top = 2n ** 64n
const agreed: [string, Offence['commit']][] = [
  ['a table that says more than it has', tables([[0n, PAGE, 0n, 0n]], () => [file()], 2)],
  ['a table that says 4 billion', tables([[0n, PAGE, 0n, 0n]], () => [file()], 0xffffffff)],
  [
    'two regions, one descriptor',
    tables(
      [
        [0n, PAGE, 0n, 0n],
        [PAGE, PAGE, PAGE, PAGE],
      ],
      () => [file()],
    ),
  ],
  ['one region, two descriptors', tables([[0n, PAGE, 0n, 0n]], () => [file(), file()])],
  ['a region without a descriptor', tables([[0n, PAGE, 0n, 0n]], () => [])],
  ['an empty region', tables([[0n, 0n, 0n, 0n]], () => [file()])],
  [
    'regions that overlap',
    tables(
      [
        [0n, 2n * PAGE, 0n, 0n],
        [PAGE, PAGE, 0x10000n, 0n],
      ],
      () => [file(), file()],
    ),
  ],
  [
    'a region twice',
    tables(
      [
        [0n, PAGE, 0n, 0n],
        [0n, PAGE, 0n, 0n],
      ],
      () => [file(), file()],
    ),
  ],
  ['a region longer than its file', tables([[0n, 2n ** 20n, 0n, 0n]], () => [file()])],
  ['a region behind its file', tables([[0n, PAGE, 0n, 2n ** 40n]], () => [file()])],
  ['a region with an offset that overflows', tables([[0n, PAGE, 0n, top - PAGE]], () => [file()])],
  ['a region without end', tables([[0n, top - 1n, 0n, 0n]], () => [file()])],
  ['a region over the last address', tables([[top - PAGE, 2n * PAGE, 0n, 0n]], () => [file()])],
  ['a region over the last address of its own', tables([[0n, 2n * PAGE, top - PAGE, 0n]], () => [file()])],
  ['an eventfd for memory', tables([[0n, PAGE, 0n, 0n]], () => [eventfd()])],
  ['a device for memory', tables([[0n, PAGE, 0n, 0n]], () => [opened('/dev/zero', 'r+')])],
  ['a folder for memory', tables([[0n, 1n, 0n, 0n]], () => [opened('/', 'r')])],
  ['a file of the kernel for memory', tables([[0n, 1n, 0n, 0n]], () => [opened('/proc/self/maps', 'r')])],
  ['memory that may not be written', tables([[0n, 16n, 0n, 0n]], () => [opened(process.execPath, 'r')])],
  ['one more region, upon the last one', (front, { memory }) => twice(front, memory.regions[0].fd)],
  ['a region that was never there', sends(feature.REM_MEM_REG, u64(0n, 1n, PAGE, 1n, 0n))],
  ['a ring of no entries', sends(feature.SET_VRING_NUM, u32(0, 0))],
  ['a ring of 3 entries', sends(feature.SET_VRING_NUM, u32(0, 3))],
  ['a ring of 65,536 entries', sends(feature.SET_VRING_NUM, u32(0, 65_536))],
  ['a ring that is not there', sends(feature.SET_VRING_NUM, u32(200, 256))],
  ['a ring of number 4 billion', sends(feature.SET_VRING_BASE, u32(0xffffffff, 0))],
  ['a base that is no index', sends(feature.SET_VRING_BASE, u32(0, 65_536))],
  ['where a ring stopped that is not there', sends(feature.GET_VRING_BASE, u32(200, 0))],
  ['enabling a ring that is not there', sends(feature.SET_VRING_ENABLE, u32(200, 1))],
  ['enabling by 2', sends(feature.SET_VRING_ENABLE, u32(0, 2))],
  ['a kick for a ring that is not there', sends(feature.SET_VRING_KICK, u64(200n), () => [eventfd()])],
  ['a kick without its descriptor', sends(feature.SET_VRING_KICK, u64(0n))],
  ['a kick with two', sends(feature.SET_VRING_KICK, u64(0n), () => [eventfd(), eventfd()])],
  ['a kick that has one and says no', sends(feature.SET_VRING_KICK, u64(0x100n), () => [eventfd()])],
  ['a file for a kick', sends(feature.SET_VRING_KICK, u64(0n), () => [file()])],
  ['a device for a kick', sends(feature.SET_VRING_KICK, u64(0n), () => [opened('/dev/zero', 'r+')])],
  ['a file for a call', sends(feature.SET_VRING_CALL, u64(0n), () => [file()])],
  [
    'the front-end’s own socket for a call',
    (front) => front.send(feature.SET_VRING_CALL, u64(0n), [front.fd]),
  ],
]

function twice(front: Front, fd: number): void {
  for (const guest of [0n, PAGE]) front.send(feature.ADD_MEM_REG, u64(0n, guest, 2n * PAGE, guest, 0n), [fd])
}

/** Rings of 256 entries whose areas lie wrongly. */
function misplaced(place: (station: Station) => bigint[]): Offence['commit'] {
  return (front, station) => {
    front.send(feature.GET_VRING_BASE, u32(1, 0))
    front.send(feature.SET_VRING_NUM, u32(1, 256))
    front.send(feature.SET_VRING_ADDR, Buffer.concat([u32(1, 0), u64(...place(station), 0n)]))
    front.send(feature.SET_VRING_KICK, u64(1n), [station.pair.transmitter.kick])
  }
}

/** The last address of the front-end's memory, and one behind. */
const end = ({ memory: { regions } }: Station) => regions[0].user + BigInt(regions[0].length)
const start = ({ memory: { regions } }: Station) => regions[0].user

const running: [string, Offence['commit']][] = [
  [
    'descriptors outside of its memory',
    misplaced((to) => [end(to), start(to) + 0x4000n, start(to) + 0x8000n]),
  ],
  [
    'descriptors over the end of its memory',
    misplaced((to) => [end(to) - 16n, start(to) + 0x4000n, start(to)]),
  ],
  ['used outside of its memory', misplaced((to) => [start(to), end(to), start(to) + 0x4000n])],
  ['avail outside of its memory', misplaced((to) => [start(to), start(to) + 0x4000n, end(to) - 4n])],
  ['areas at the last address', misplaced(() => [top - 16n, top - 16n, top - 16n])],
  [
    'descriptors at an odd address',
    misplaced((to) => [start(to) + 8n, start(to) + 0x4000n, start(to) + 0x8000n]),
  ],
  ['used at an odd address', misplaced((to) => [start(to), start(to) + 0x4002n, start(to) + 0x8000n])],
  ['avail at an odd address', misplaced((to) => [start(to), start(to) + 0x4000n, start(to) + 0x8001n])],
  ['used upon avail', misplaced((to) => [start(to), start(to) + 0x4000n, start(to) + 0x4000n])],
  ['used upon the descriptors', misplaced((to) => [start(to), start(to) + 16n, start(to) + 0x8000n])],
]

const staged = (stage: Offence['stage'], list: [string, Offence['commit']][]) =>
  list.map(([what, commit]): Offence => ({ what, stage, commit }))

export const offences: Offence[] = [
  ...staged('fresh', fresh),
  ...staged('agreed', agreed),
  ...staged('running', running),
]
