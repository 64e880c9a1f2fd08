/** A requirement of an RFC on NAT, in our own words, with what proves it. */
import type { House, Settings } from '../../lab/house.ts'

export type Verdict = 'met' | 'met if configured' | 'met in part' | 'not met' | 'does not apply'

export interface Proof {
  /** what the test shows, as a sentence without its subject */
  shows: string
  settings?: Settings
  run: (house: House) => void
}

export interface Requirement {
  id: string
  asks: string
  verdict: Verdict
  /** why it is not simply met, or what of it is a matter of choice */
  note?: string
  proofs: Proof[]
}

export interface Chapter {
  rfc: string
  title: string
  requirements: Requirement[]
}

/** The score of all chapters as Markdown. */
export function markdown(chapters: Chapter[]): string {
  const lines = [
    '# NAT against its RFCs',
    '',
    'Written by `npx vitest run test/gateway/scorecard.test.ts`, which sends the packets that each row speaks of through the whole dataplane.',
    'The requirements are in our own words; the RFCs hold.',
    '',
    '| RFC | met | met if configured | met in part | not met | does not apply |',
    '|---|---|---|---|---|---|',
  ]
  const verdicts: Verdict[] = ['met', 'met if configured', 'met in part', 'not met', 'does not apply']
  for (const { rfc, title, requirements } of chapters) {
    const counts = verdicts.map((verdict) => requirements.filter((each) => each.verdict === verdict).length)
    lines.push(`| ${rfc}, ${title} | ${counts.join(' | ')} |`)
  }
  for (const { rfc, title, requirements } of chapters) {
    lines.push('', `## ${rfc}: ${title}`, '', '| | asks | verdict | shown by |', '|---|---|---|---|')
    for (const { id, asks, verdict, note, proofs } of requirements) {
      const shown = [...proofs.map(({ shows }) => shows), ...(note ? [`*${note}*`] : [])].join('; ')
      lines.push(`| ${id} | ${asks} | ${verdict} | ${shown} |`)
    }
  }
  return `${lines.join('\n')}\n`
}
