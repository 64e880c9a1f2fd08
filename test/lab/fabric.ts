/** A switch in the test's own process, with memory ports and real workers. */
import { configure, type FileInput, type MemoryPort, Switch } from '../../src/index.ts'
import { eventually } from './command.ts'

const silent = { info() {}, warn() {} }

/** Ports a, b, c … of one internal network `lab`, unless said otherwise. */
export function plan(names: string, more: FileInput = {}): FileInput {
  const ports = [...names].map((name) => [name, { network: 'lab', type: 'memory' as const }])
  return {
    socket: `/tmp/bridgeport-test-${process.pid}.sock`,
    ...more,
    networks: { lab: { mode: 'internal' }, ...more.networks },
    ports: { ...Object.fromEntries(ports), ...more.ports },
  }
}

export function start(input: FileInput): Promise<Switch> {
  return Switch.start(configure(input), silent)
}

/** Runs `act` with a switch and closes it, whatever happens. */
export async function during(input: FileInput, act: (fabric: Switch) => Promise<void>): Promise<void> {
  const fabric = await start(input)
  try {
    await act(fabric)
  } finally {
    await fabric.close()
  }
}

/** The next `count` frames of a port; fails if they do not come. */
export async function receive(port: MemoryPort, count: number): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = []
  await eventually(`${count} frames, ${frames.length} so far`, () => {
    for (let got = port.receive(); got && frames.length < count; got = port.receive()) frames.push(got.frame)
    return frames.length === count
  })
  return frames
}
