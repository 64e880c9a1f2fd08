/** Expressions against tcpdump, which asks the same of the same frames. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { compileExpression, isMissing } from '../../src/port/expression.ts'
import { expressions, packets, passed } from '../lab/expression.ts'
import { suite } from '../lab/peer.ts'

const words = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer)

/** A file of libpcap's classic format; each frame's second is its number. */
function pcap(frames: Uint8Array[]): Buffer {
  const header = words(0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1)
  return Buffer.concat([
    header,
    ...frames.flatMap((frame, i) => [words(i, 0, frame.length, frame.length), frame]),
  ])
}

/** The numbers of the frames in such a file. */
function numbers(file: Buffer): number[] {
  const found: number[] = []
  for (let at = 24; at < file.length; at += 16 + file.readUInt32LE(at + 8)) found.push(file.readUInt32LE(at))
  return found
}

suite('an expression', ['tcpdump'], () => {
  it('lets the frames pass that tcpdump lets pass', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bp-expression-'))
    const path = join(folder, 'frames.pcap')
    writeFileSync(path, pcap(packets))
    let compared = 0
    for (const expression of expressions) {
      // Two that exclude one another are refused by libpcap.
      const program = await compileExpression(expression).catch((error: Error) => error.message)
      if (program === 'expression rejects all packets') continue
      expect(program, expression).toBeInstanceOf(Int32Array)
      const wanted = passed(program as Int32Array, packets)
      const witness = execFileSync('tcpdump', ['-r', path, '-w', '-', expression], { stdio: 'pipe' })
      expect(wanted, expression).toEqual(numbers(witness))
      compared += wanted.length
    }
    rmSync(folder, { recursive: true })
    expect(compared).toBeGreaterThan(expressions.length * 10)
  }, 60_000)

  it('that is none is refused in the words of libpcap', async () => {
    await expect(compileExpression('tcp prot 80')).rejects.toThrow(/syntax error/)
    await expect(compileExpression('ip broadcast')).rejects.toThrow(/netmask not known/)
    await expect(compileExpression('host no-such-host.invalid')).rejects.toThrow(/unknown host/)
  })

  it('needs libpcap', async () => {
    const error = await compileExpression('tcp', ['libpcap-that-is-not-there.so']).catch((caught) => caught)
    expect(isMissing(error)).toBe(true)
    expect(isMissing(await compileExpression('tcp prot').catch((caught) => caught))).toBe(false)
    await expect(
      compileExpression('tcp', ['libpcap-that-is-not-there.so', 'libpcap.so.0.8']),
    ).resolves.toBeDefined()
  })
})
