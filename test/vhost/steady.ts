/** `steady.ts LENGTH ROOM`: two guests exchange a million frames, between two lines of output; says what the heap did meanwhile. */
import { exchange, FRAMES } from '../../bench/micro/vhost.ts'
import { measure } from '../lab/million.ts'

const [length, room] = process.argv.slice(2).map(Number)
const run = exchange(length, room)
let moved = 0

function move(count: number): void {
  for (let done = 0; done < count; done += FRAMES) {
    run()
    moved += FRAMES
  }
}

measure(move, () => moved)
