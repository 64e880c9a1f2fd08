/**
 * IPFIX messages (RFC 7011 3): records gathered into sets, sets into messages.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |       Version Number (10)     |            Length             |
 *   +-------------------------------+-------------------------------+
 *   |                          Export Time                          |
 *   +---------------------------------------------------------------+
 *   |                        Sequence Number                        |
 *   +---------------------------------------------------------------+
 *   |                     Observation Domain ID                     |
 *   +-------------------------------+-------------------------------+
 *   |            Set ID             |            Length             | ...
 */
import { type Field, NAMES, TEMPLATES, type Template, type Told } from './template.ts'

const VERSION = 10
const HEADER = 16
const SET_HEADER = 4
const TEMPLATE_SET = 2
const OPTIONS_SET = 3
/** What passes a tunnel or two in one piece; RFC 7011 10.3.3 wants no message in fragments. */
const LENGTH_MAX = 1400
/** RFC 7011 7: a length of its own stands before the value */
const VARIABLE = 65_535
const INGRESS_INTERFACE = 10
const INTERFACE_NAME = 82

export class Messages {
  private readonly domain: number
  private readonly send: (message: Buffer, events: number) => void
  private readonly buffer = Buffer.alloc(LENGTH_MAX)
  private at = HEADER
  /** the set that is being written: its number, 0 for none, and where it begins */
  private set = 0
  private setAt = 0
  /** events and all data records of this message, and data records of all messages before it */
  private events = 0
  private records = 0
  private sequence = 0

  /** `send` takes over each message, with the number of events in it. */
  constructor(domain: number, send: (message: Buffer, events: number) => void) {
    this.domain = domain
    this.send = send
  }

  /** Adds the record of an event. */
  add(told: Told, { id, fields, length }: Template): void {
    this.begin(id, length)
    for (const { length, value } of fields) this.put(value(told), length)
    this.records++
    this.events++
  }

  /** Says how records are to be read: to be sent at the start and now and then (RFC 7011 8.4). */
  templates(): void {
    for (const { id, fields } of TEMPLATES) {
      const length = fields.reduce((sum, { enterprise }) => sum + (enterprise === undefined ? 4 : 8), 4)
      this.begin(TEMPLATE_SET, length)
      this.put(id, 2)
      this.put(fields.length, 2)
      for (const field of fields) this.specify(field)
    }
    this.begin(OPTIONS_SET, 14)
    for (const word of [NAMES, 2, 1, INGRESS_INTERFACE, 4, INTERFACE_NAME, VARIABLE]) this.put(word, 2)
  }

  /** Says which network an interface's number stands for. */
  name(index: number, network: string): void {
    const name = Buffer.from(network).subarray(0, 254)
    this.begin(NAMES, 5 + name.length)
    this.put(index, 4)
    this.put(name.length, 1)
    this.at += name.copy(this.buffer, this.at)
    this.records++
  }

  /** Sends what was gathered. */
  flush(): void {
    if (this.at === HEADER) return
    const { buffer, at } = this
    this.end()
    buffer.writeUInt16BE(VERSION, 0)
    buffer.writeUInt16BE(at, 2)
    buffer.writeUInt32BE(Math.floor(Date.now() / 1000), 4)
    buffer.writeUInt32BE(this.sequence, 8)
    buffer.writeUInt32BE(this.domain, 12)
    this.sequence = (this.sequence + this.records) >>> 0
    const { events } = this
    this.events = 0
    this.records = 0
    this.at = HEADER
    this.send(Buffer.from(buffer.subarray(0, at)), events)
  }

  private specify({ id, length, enterprise }: Field): void {
    this.put(enterprise === undefined ? id : id | 0x8000, 2)
    this.put(length, 2)
    if (enterprise !== undefined) this.put(enterprise, 4)
  }

  /** Makes room for a record of a set. */
  private begin(set: number, length: number): void {
    const header = set === this.set ? 0 : SET_HEADER
    if (this.at + header + length > LENGTH_MAX) this.flush()
    if (set === this.set) return
    this.end()
    this.set = set
    this.setAt = this.at
    this.put(set, 2)
    this.put(0, 2)
  }

  private end(): void {
    if (this.set !== 0) this.buffer.writeUInt16BE(this.at - this.setAt, this.setAt + 2)
    this.set = 0
  }

  private put(value: number, length: number): void {
    const { buffer, at } = this
    if (length === 8) {
      buffer.writeUInt32BE(Math.floor(value / 2 ** 32), at)
      buffer.writeUInt32BE(value >>> 0, at + 4)
    } else buffer.writeUIntBE(value, at, length)
    this.at = at + length
  }
}
