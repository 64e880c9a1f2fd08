/** Small drawings in one weight of line: what a port is, and where a network leads. */
import { drawing } from './dom.ts'

/** Strokes in a box of 16. */
const STROKES: Record<string, string[]> = {
  /** a guest: a screen on a foot */
  guest: ['M2 3h12v8H2z', 'M8 11v2.5', 'M5 13.5h6'],
  /** a container: stacked boxes */
  container: ['M2 5.5 8 2.5l6 3v5l-6 3-6-3z', 'M2 5.5l6 3 6-3', 'M8 8.5v5'],
  /** a card in a slot */
  card: ['M2 4.5h12v6H2z', 'M4.5 10.5v2.5', 'M7 10.5v2.5', 'M9.5 10.5v2.5', 'M5 7.5h2'],
  /** the machine that the switch runs on */
  host: ['M3 2.5h10v4H3z', 'M3 9.5h10v4H3z', 'M5.5 4.5h.5', 'M5.5 11.5h.5'],
  /** memory: a chip */
  memory: [
    'M4.5 4.5h7v7h-7z',
    'M6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14',
  ],
  /** a gateway: ways that part */
  gateway: ['M2 8h12', 'M11 5l3 3-3 3', 'M5 5 2 8l3 3'],
  /** what is outside: a globe */
  outside: [
    'M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2z',
    'M2 8h12',
    'M8 2c2.4 2 2.4 10 0 12',
    'M8 2c-2.4 2-2.4 10 0 12',
  ],
  /** a switch: a front with sockets */
  network: ['M1.5 5h13v6h-13z', 'M4 8h1M7.5 8h1M11 8h1'],
}

const TYPES: Record<string, string> = {
  tap: 'container',
  tun: 'container',
  'qemu-tap': 'guest',
  'vhost-user': 'guest',
  stream: 'guest',
  dgram: 'guest',
  nic: 'card',
  host: 'host',
  memory: 'memory',
}

export function icon(name: string): SVGElement {
  const paths = (STROKES[name] ?? STROKES.container).map((d) => drawing('path', { d }))
  return drawing('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, ...paths)
}

/** Of a port, by its type. */
export function portIcon(type: string): SVGElement {
  return icon(TYPES[type] ?? 'container')
}
