/** Values with a unit or a shape of their own: `300s`, `1000/s`, `"0660"`, `127.0.0.1:9477`, QEMU's hostfwd form. */
import { isIP } from 'node:net'
import { ipv4, ipv4Pattern } from './address.ts'

export const durationPattern = /^(\d{1,9})(ms|s|m|h|d)$/
const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration in milliseconds, or null. */
export function duration(text: string): number | null {
  const match = durationPattern.exec(text)
  return match === null ? null : Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]
}

export const ratePattern = /^[1-9]\d{0,8}\/s$/

/** `1000/s` as a number per second, or null. */
export function rate(text: string): number | null {
  return ratePattern.test(text) ? Number(text.slice(0, -2)) : null
}

export const modePattern = /^0[0-7]{3}$/

/** `"0660"` as a file mode, or null. */
export function mode(text: string): number | null {
  return modePattern.test(text) ? Number.parseInt(text, 8) : null
}

/** A guest's memory as QEMU reads it. */
export const memoryPattern = /^[1-9]\d{0,5}[MG]$/

/** `127.0.0.1:9477`, `[::1]:9477`, `localhost:9477`, or null. Port 0 lets the kernel choose. */
export function listen(text: string): { host: string; port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65535) return null
  const [, six, host, port] = match
  if (six !== undefined) return isIP(six) === 6 ? { host: six, port: Number(port) } : null
  const isName = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host) && !/^[\d.]+$/.test(host)
  return isName || ipv4Pattern.test(host) ? { host, port: Number(port) } : null
}

/** `10.0.2.15-10.0.2.254` as two int32 in order, or null. */
export function addressRange(text: string): { first: number; last: number } | null {
  const [first, last, rest] = text.split('-').map((part) => ipv4(part))
  if (first === null || last === null || first === undefined || last === undefined || rest !== undefined)
    return null
  return first >>> 0 <= last >>> 0 ? { first, last } : null
}

/** `8080` or `8000-8010` as two port numbers in order, or null. */
export function portRange(text: string): { first: number; last: number } | null {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  if (match === null) return null
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])]
  return first >= 1 && first <= last && last <= 65535 ? { first, last } : null
}

/** A published port: QEMU's hostfwd, `PROTO:HOSTIP:PORT-GUESTIP:PORT`, HOSTIP may be empty, PORT may be a range. */
export interface Publish {
  protocol: 'tcp' | 'udp'
  host: string
  hostPorts: { first: number; last: number }
  guest: string
  guestPorts: { first: number; last: number }
}

/** Parses a published port; null when the form, an address or a port is wrong, or the two ranges differ in size. */
export function publish(text: string): Publish | null {
  const match = /^(tcp|udp):([\d.]*):(\d+(?:-\d+)?)-(\d+\.\d+\.\d+\.\d+):(\d+(?:-\d+)?)$/.exec(text)
  if (match === null) return null
  const [, protocol, host, outside, guest, inside] = match
  const hostPorts = portRange(outside)
  const guestPorts = portRange(inside)
  if (
    (host !== '' && ipv4(host) === null) ||
    ipv4(guest) === null ||
    hostPorts === null ||
    guestPorts === null
  )
    return null
  if (hostPorts.last - hostPorts.first !== guestPorts.last - guestPorts.first) return null
  return { protocol: protocol as 'tcp' | 'udp', host, hostPorts, guest, guestPorts }
}

/** `8080`, or `8000-8010`. */
export function rangeText({ first, last }: { first: number; last: number }): string {
  return first === last ? String(first) : `${first}-${last}`
}

/** A published port in the form that it is written in. */
export function publishText({ protocol, host, hostPorts, guest, guestPorts }: Publish): string {
  return `${protocol}:${host}:${rangeText(hostPorts)}-${guest}:${rangeText(guestPorts)}`
}
