/** docs/modes.md: the matrix, and under it what was sent and what came of it. */
import { columns } from './cell.ts'
import type { Proof } from './proof.ts'
import type { Row } from './row.ts'

/** A statement beside the matrix, with its proofs. */
export interface Chapter {
  title: string
  proofs: Proof[]
}

function line(
  where: string,
  { way, from, at, to, kinds = ['tcp', 'icmp'], seen, reason, told }: Proof,
): string {
  const what = kinds.map((kind) => kind.toUpperCase()).join(', ')
  const counted = reason ? ` \`${reason}\`` : ''
  const answers = kinds.map((kind) => told?.[kind] ?? 'silence').join(' / ')
  const result = seen !== undefined ? `yes, from ${seen}` : `no:${counted} ${answers}`
  return `| ${where} | ${way} | ${from} → ${to} (${at}) | ${what} | ${result} |`
}

const heading = ['', '| | way | from → to (who should see it) | sent | arrived |', '|---|---|---|---|---|']

/** All of it as Markdown. */
export function markdown(rows: Row[], chapters: Chapter[]): string {
  const lines = [
    '# Who reaches whom',
    '',
    'Written by `npx vitest run test/e2e/mode.test.ts`. All these networks stand side by side on one host that forwards, and host and world have routes',
    'to every guest, so nothing but the switch keeps a packet from arriving. *Yes* is an answer by TCP and ICMP; *no* is a packet that a capture saw leave',
    'and that no capture saw arrive, with the reason that the switch counted and what the sender was told. *Host* is its own address, *outside* a machine behind its card.',
    '',
    `| mode | ${columns.join(' | ')} |`,
    `|${'---|'.repeat(columns.length + 1)}`,
    ...rows.map(
      ({ plot, cells }) => `| ${[plot.title, ...columns.map((column) => cells[column].says)].join(' | ')} |`,
    ),
  ]
  for (const { plot, cells } of rows) {
    lines.push('', `## ${plot.title}`, '', `\`${JSON.stringify(plot.settings)}\``, ...heading)
    for (const column of columns) lines.push(...cells[column].proofs.map((proof) => line(column, proof)))
  }
  for (const { title, proofs } of chapters)
    lines.push('', `## ${title}`, ...heading, ...proofs.map((proof) => line('', proof)))
  return `${lines.join('\n')}\n`
}
