/** iperf3 between two namespaces, for a second or so many bytes (`-n`): that they arrive is the test, how fast is not. */
import { says } from './command.ts'
import type { Namespace } from './namespace.ts'

export interface Traffic {
  /** bytes that the receiver counted */
  bytes: number
  /** UDP datagrams lost, in percent */
  lostPercent: number
}

/** Sends from `client` to `address` in `server` with iperf3's own options. */
export async function iperf(
  client: Namespace,
  server: Namespace,
  address: string,
  ...options: string[]
): Promise<Traffic> {
  const daemon = server.spawn('iperf3', '-s', '-1', '--forceflush')
  await says(daemon, /listening/)
  const end = options.includes('-n') ? [] : ['-t', '1']
  const report = JSON.parse(await client.exec(['iperf3', '-c', address, '-J', ...end, ...options]))
  const sum = report.end.sum_received ?? report.end.sum
  return { bytes: sum.bytes, lostPercent: report.end.sum?.lost_percent ?? 0 }
}
