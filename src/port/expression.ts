/** Expressions of libpcap's language (pcap-filter(7)), compiled by libpcap where the machine has it. */
import { type NativeError, native } from '../memory/native.ts'

/** The library's own name, Debian's, and what a machine with its headers has. */
const LIBRARIES = ['libpcap.so.1', 'libpcap.so.0.8', 'libpcap.so']

/** Classic BPF of an expression, as pipeline/filter.ts takes it. Throws an Error with what libpcap says, and see isMissing(). */
export function compileExpression(
  text: string,
  libraries: readonly string[] = LIBRARIES,
): Promise<Int32Array> {
  return native.filterCompile(text, libraries)
}

/** Whether that error says that there is no libpcap. */
export function isMissing(error: unknown): boolean {
  return (error as NativeError).code === 'ELIBACC'
}
