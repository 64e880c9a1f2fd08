/** -m mac: the sender's address in the Ethernet header. */
import { type MatchKind, PURE, Wrong } from '../extension.ts'
import { AT } from '../registers.ts'
import { negation } from './ip.ts'

interface Mac {
  bytes: number[]
  not: boolean
}

/** Of the source in an Ethernet header. */
const OFFSET = 6

export const mac: MatchKind<Mac> = {
  name: 'mac',
  hooks: ['PREROUTING', 'INPUT', 'FORWARD'],
  options: { '--mac-source': { words: 1, negatable: true } },
  begin: () => ({ bytes: [], not: false }),
  take(data, _option, [word], not) {
    if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(word))
      throw new Wrong('is no MAC address like 02:00:00:00:00:01')
    data.bytes = word.split(':').map((byte) => Number.parseInt(byte, 16))
    data.not = not
  },
  end(data) {
    if (data.bytes.length === 0) throw new Wrong('lacks --mac-source', 0)
  },
  print: (data) => [...negation(data.not), '--mac-source', printMac(data.bytes)],
  code({ bytes, not }) {
    const upper = (bytes[0] << 8) | bytes[1]
    const lower = (bytes[2] << 24) | (bytes[3] << 16) | (bytes[4] << 8) | bytes[5]
    const held = `v.getUint16(x[${AT}]+${OFFSET})===${upper}&&v.getInt32(x[${AT}]+${OFFSET + 2})===${lower}`
    return { text: `${not ? '!' : ''}(${held})`, nature: PURE }
  },
  shows: (_data, x, view) =>
    `source ${printMac(Array.from({ length: 6 }, (_, i) => view.getUint8(x[AT] + OFFSET + i)))}`,
}

function printMac(bytes: number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}
