/** Sequences of messages as nobody means well: what a front-end says in order, bent here and there, and things that none would say. */
import { openSync } from 'node:fs'
import { native } from '../../../src/memory/native.ts'
import * as feature from '../../../src/vhost/feature.ts'
import * as message from '../../../src/vhost/message.ts'
import type { Random } from '../random.ts'
import { u32, u64 } from './message.ts'
import { again, type Stage } from './stage.ts'

/** What a front-end says until both rings of a pair run, and then. */
const ORDER = [
  ...['GET_FEATURES', 'GET_PROTOCOL_FEATURES', 'SET_PROTOCOL_FEATURES 0x1b039', 'SET_OWNER', 'GET_QUEUE_NUM'],
  ...[`SET_FEATURES ${feature.offered(2, true)}`, 'SET_MEM_TABLE', 'SET_BACKEND_REQ_FD'],
  ...[0, 1].flatMap((index) => [
    `SET_VRING_NUM ${index} 256`,
    `SET_VRING_BASE ${index} 0`,
    `SET_VRING_ADDR ${index}`,
    `SET_VRING_CALL ${index}`,
    `SET_VRING_KICK ${index}`,
    `SET_VRING_ENABLE ${index} 1`,
  ]),
  ...['GET_VRING_BASE 0', 'GET_VRING_BASE 1', 'SET_STATUS 0'],
]

/** So many of them only ask, and half of all sequences have no more than so many. */
const ASKING = 5
const BEGINNING = 6

/** What may come at any time. */
const ANY = [
  ...ORDER,
  ...[
    'SET_FEATURES 0',
    'SET_FEATURES 0x40000000',
    'RESET_OWNER',
    'RESET_DEVICE',
    'SET_STATUS 15',
    'GET_STATUS',
  ],
  ...['ADD_MEM_REG 0', 'ADD_MEM_REG 1', 'REM_MEM_REG 0', 'REM_MEM_REG 1', 'GET_MAX_MEM_SLOTS'],
  ...['SET_VRING_ERR 0', 'SET_VRING_CALL 1 none', 'SET_VRING_KICK 0 none', 'SET_VRING_NUM 1 64'],
  ...['GET_INFLIGHT_FD 4 64', 'SET_INFLIGHT_FD 2 64', 'SET_LOG_BASE', 'SET_LOG_FD', 'SEND_RARP 1'],
  ...[
    'NET_SET_MTU 1400',
    'NET_SET_MTU 65536',
    'SET_VRING_ENABLE 3 1',
    'SET_VRING_CALL 3',
    'GET_VRING_BASE 3',
  ],
]

/** Numbers at which arithmetic goes wrong. */
const EDGES = [0n, 1n, 2n, 255n, 256n, 4095n, 4096n, 65535n, 65536n, 2n ** 31n - 1n, 2n ** 31n].concat([
  ...[2n ** 32n - 1n, 2n ** 32n, 2n ** 47n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 4096n, 2n ** 64n - 1n],
])

/** The words of a sequence: the order up to somewhere, wild ones with things left out and others put in. */
export function sequence(random: Random): { lines: string[]; wild: boolean } {
  const wild = random.once(2)
  // What only asks is seldom where it goes wrong; what begins in the middle is.
  const start = random.once(8) ? 0 : ASKING
  const from = wild && random.once(3) ? random.below(ORDER.length) : start
  const count = random.below(random.once(2) ? BEGINNING : ORDER.length - from) + 1
  const lines: string[] = []
  for (let i = from; i < Math.min(from + count, ORDER.length); i++) {
    if (wild && random.once(12)) continue
    if (wild && random.once(6)) lines.push(random.of(ANY))
    lines.push(ORDER[i])
  }
  // What comes when everything is there meets most.
  if (!wild) lines.push(random.of(ANY), random.of(ANY))
  return { lines, wild }
}

/** A message of these words, and what is wrong with it, '' in most cases. */
export function compose(
  on: Stage,
  line: string,
  random: Random,
  isBent: boolean,
): message.Message & { bent: string } {
  const [name, ...words] = line.split(' ')
  const request = (message as unknown as Record<string, number>)[name]
  const given = { request, flags: random.once(2) ? 9 : 1, ...on.compose(request, words), bent: '' }
  if (!isBent) return given
  const how = random.of([...BENT.keys()])
  BENT.get(how)!(given, random, on)
  return { ...given, bent: how }
}

const BENT = new Map<string, (given: message.Message, random: Random, on: Stage) => void>([
  ['request', (given, random) => (given.request = random.once(2) ? random.below(50) : random.word())],
  ['flags', (given, random) => (given.flags = random.once(2) ? random.below(16) : random.word())],
  [
    'shorter',
    (given, random) => (given.payload = given.payload.subarray(0, random.below(given.payload.length + 1))),
  ],
  [
    'longer',
    (given, random) => (given.payload = Buffer.concat([given.payload, random.bytes(random.below(64))])),
  ],
  [
    'word',
    (given, random) => {
      const words = given.payload.length >> 2
      if (words > 0)
        given.payload.writeUInt32LE(Number(random.of(EDGES) & 0xffffffffn), 4 * random.below(words))
    },
  ],
  [
    'number',
    (given, random) => {
      const numbers = given.payload.length >> 3
      if (numbers > 0) given.payload.writeBigUInt64LE(random.of(EDGES), 8 * random.below(numbers))
    },
  ],
  [
    'address',
    (given, random) => {
      const numbers = given.payload.length >> 3
      if (numbers === 0) return
      const at = 8 * random.below(numbers)
      const near = given.payload.readBigUInt64LE(at) + BigInt(random.below(64) - 32)
      given.payload.writeBigUInt64LE(BigInt.asUintN(64, near), at)
    },
  ],
  ['fewer descriptors', ({ fds }) => fds.splice(1).concat(fds.splice(0)).forEach(native.descriptorClose)],
  [
    'more descriptors',
    ({ fds }, random, on) => {
      const count = random.once(20) ? 254 : 1 + random.below(3)
      for (let i = 0; i < count; i++) fds.push(descriptor(random, on))
    },
  ],
  [
    'other descriptors',
    ({ fds }, random, on) => {
      fds.forEach((fd, i) => {
        native.descriptorClose(fd)
        fds[i] = descriptor(random, on)
      })
    },
  ],
  ['noise', (given, random) => Object.assign(given, { request: random.below(45), payload: noise(random) })],
])

function noise(random: Random): Buffer {
  const one = () => (random.once(2) ? u64(random.of(EDGES)) : u32(random.below(4), random.below(512)))
  return Buffer.concat(Array.from({ length: random.below(7) }, one))
}

/** A doorbell, a guest's memory, a file, a folder, a small memfd. */
function descriptor(random: Random, on: Stage): number {
  const which = random.below(5)
  if (which === 0) return again(random.of(on.memory.regions).fd)
  if (which === 1) return openSync('/dev/null', 'r+')
  if (which === 2) return openSync('/', 'r')
  if (which === 3) return native.memoryCreate('small', 100)
  return native.doorbellCreate()
}
