// Hot: accessors only. RFC 9293.
/**
 *    |          source port          |       destination port        |
 *    |                        sequence number                        |
 *    |                    acknowledgment number                      |
 *    | offset|       |   flags       |            window             |
 *    |           checksum            |         urgent pointer        |
 */
export const HEADER_LENGTH = 20
export const CHECKSUM_AT = 16
export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10
export const URG = 0x20
export const CWR = 0x80

export function sequence(view: DataView, at: number): number {
  return view.getInt32(at + 4)
}

export function acknowledgment(view: DataView, at: number): number {
  return view.getInt32(at + 8)
}

/** As it stands there, not scaled. */
export function window(view: DataView, at: number): number {
  return view.getUint16(at + 14)
}

/** Header length in bytes. */
export function headerLength(view: DataView, at: number): number {
  return (view.getUint8(at + 12) >> 4) << 2
}

export function flags(view: DataView, at: number): number {
  return view.getUint8(at + 13)
}

export function setSequence(view: DataView, at: number, sequence: number): void {
  view.setInt32(at + 4, sequence)
}

export function setFlags(view: DataView, at: number, flags: number): void {
  view.setUint8(at + 13, flags)
}
