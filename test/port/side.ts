/** The host's side of an uplink in a process of its own: each line of its input is a list of links, or `close`. */
import { createInterface } from 'node:readline'
import * as device from '../../src/port/device.ts'
import * as reaper from '../../src/port/reaper.ts'
import { HostSide } from '../../src/port/uplink.ts'

const [instance, state] = process.argv.slice(2)
const say = (text: string) => process.stdout.write(`${text}\n`)
reaper.start()
const side = new HostSide(instance, state, (text) => say(`warning: ${text}`))

function obey(line: string): void {
  const [word, argument] = line.split(/ (.*)/)
  if (word === 'repair') side.repair()
  else if (word === 'close') side.close()
  else if (word === 'set') side.set(JSON.parse(argument))
  else if (word === 'tap') {
    const [ifname, address] = argument.split(' ')
    const rest = { netns: '', mac: null, gateway: null, mtu: 1500, queues: 1, offload: true, owner: -1 }
    device.open({ type: 'tap', ifname, address, alias: `bridgeport:${instance}:${ifname}`, ...rest })
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  try {
    obey(line)
    say('done')
  } catch (error) {
    say(`error: ${(error as Error).message}`)
  }
})
say('started')
