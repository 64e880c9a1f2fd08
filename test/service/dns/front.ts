/** A forwarder on loopback for the tests, and servers that answer as a test wants. */
import * as dgram from 'node:dgram'
import packet from 'dns-packet'
import { native } from '../../../src/memory/native.ts'
import { Forwarder, type Settings } from '../../../src/service/dns/forwarder.ts'
import { defer } from '../../lab/cleanup.ts'
import { must } from '../../lab/command.ts'

/** The gateway's address, 10.0.2.2. */
const GATEWAY = 0x0a000202
/** Guests by name; a test may add its own. */
export const guests: Record<string, number> = { web: 0x0a00020f }

export const settings = (over: Partial<Settings> = {}): Settings => ({
  domain: 'lab.internal',
  address: GATEWAY,
  subnet: { address: 0x0a000200, prefix: 24 },
  forward: [],
  names: new Map([
    ['db', '10.0.2.20'],
    ['alias.example', '10.0.2.20'],
  ]),
  ...over,
})

const directory = {
  address: (hostname: string) => guests[hostname] ?? null,
  hostname: (address: number) => Object.keys(guests).find((name) => guests[name] === address) ?? null,
}

/** A port of loopback that is free for UDP and TCP: the kernel chooses it for one of them, and another program may have the other. */
async function both(): Promise<{ socket: dgram.Socket; port: number; listening: number }> {
  for (let attempt = 0; ; attempt++) {
    const socket = dgram.createSocket('udp4')
    await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound))
    const { port } = socket.address()
    try {
      return {
        socket,
        port,
        listening: native.socketOpen({ netns: '', protocol: 'tcp', address: '127.0.0.1', port }),
      }
    } catch (error) {
      socket.close()
      if (attempt === 20) throw error
    }
  }
}

/** A forwarder that listens on loopback, UDP and TCP on one port. */
export class Front {
  readonly forwarder: Forwarder
  readonly port: number

  private constructor(forwarder: Forwarder, port: number) {
    this.forwarder = forwarder
    this.port = port
  }

  static async start(over: Partial<Settings> = {}): Promise<Front> {
    const forwarder = new Forwarder(settings(over), directory)
    const { socket, port, listening } = await both()
    socket.on('message', async (payload, peer) => {
      const reply = await forwarder.datagram(payload, 1472, 1)
      if (reply) socket.send(reply, peer.port, peer.address)
    })
    forwarder.listen(listening)
    defer(() => {
      socket.close()
      forwarder.close()
    })
    return new Front(forwarder, port)
  }

  dig(...words: string[]): Promise<string> {
    return must(['dig', '@127.0.0.1', '-p', `${this.port}`, '+tries=1', '+time=8', ...words])
  }

  async short(...words: string[]): Promise<string[]> {
    return (await this.dig('+short', ...words)).split('\n').filter(Boolean)
  }
}

/** A UDP server that answers as `act` says; returns its place as it is written in the configuration. */
export async function server(
  act: (query: packet.DecodedPacket, send: (reply: Buffer) => void, port: number) => void,
): Promise<string> {
  const socket = dgram.createSocket('udp4')
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound))
  socket.on('message', (bytes, peer) =>
    act(packet.decode(bytes), (reply) => socket.send(reply, peer.port, peer.address), peer.port),
  )
  defer(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

/** An address as the answer to a query, or what `over` says. */
export const yes = (query: packet.DecodedPacket, data = '192.0.2.9', over: packet.Packet = {}) =>
  packet.encode({
    type: 'response',
    id: query.id!,
    flags: packet.RECURSION_AVAILABLE,
    questions: query.questions!,
    answers: [{ type: 'A', name: query.questions![0].name, ttl: 60, data }],
    ...over,
  })
