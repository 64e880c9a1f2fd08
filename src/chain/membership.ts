/** How rules name a set and what of a packet is looked for in it: `NAME src,dst`, of -m set and -j SET. */
import { DIMENSION } from '../table/set.ts'
import { Wrong } from './extension.ts'

export interface Membership {
  name: string
  /** from the first dimension on, true for dst */
  sides: boolean[]
}

/** IPSET_MAXNAMELEN without its end, and IPSET_DIM_MAX. */
const NAME_LENGTH = 31
const DIMENSIONS = 6
/** What SetTable has bits for; sets have two dimensions at most, so those behind say nothing. */
const ASKED = 3

export function parse(name: string, flags: string): Membership {
  if (name === '' || name.length > NAME_LENGTH)
    throw new Wrong(`is no name of 1 to ${NAME_LENGTH} characters`)
  const words = flags.split(',')
  if (words.length > DIMENSIONS) throw new Wrong(`has more than ${DIMENSIONS} of src and dst`, 2)
  const wrong = words.find((word) => word !== 'src' && word !== 'dst')
  if (wrong !== undefined) throw new Wrong('is no list of src and dst', 2)
  return { name, sides: words.map((word) => word === 'dst') }
}

export function print({ name, sides }: Membership): string[] {
  return [name, sides.map((isDestination) => (isDestination ? 'dst' : 'src')).join(',')]
}

/** As SetTable wants it. */
export function how({ sides }: Membership): number {
  const asked = sides.slice(0, ASKED)
  return asked.reduce(
    (bits, isDestination, k) => bits | (isDestination ? 1 << k : 0),
    asked.length * DIMENSION,
  )
}
