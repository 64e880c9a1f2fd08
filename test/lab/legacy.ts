/** iptables-legacy of this machine in a namespace of its own: what it takes for a rule, and how it prints it. */
import { spawnSync } from 'node:child_process'
import { mustSync } from './command.ts'
import { Namespace } from './namespace.ts'

export class Legacy {
  readonly namespace = new Namespace('ipt')

  /** Runs another command in there, ipset for example. */
  run(...argv: string[]): void {
    mustSync(...this.namespace.argv(...argv))
  }

  /** Restores one table from lines behind `*TABLE`: '' if it was taken, else what was said. */
  restore(table: string, lines: string[]): string {
    const input = [`*${table}`, ...lines, 'COMMIT', ''].join('\n')
    const [command = '', ...args] = this.namespace.argv('iptables-legacy-restore')
    const { status, stderr } = spawnSync(command, args, { input, encoding: 'utf8' })
    return status === 0 ? '' : stderr.trim() || `status ${status}`
  }

  /** The rules of a table, from -A on. */
  save(table: string): string[] {
    const text = mustSync(...this.namespace.argv('iptables-legacy-save', '-t', table))
    return text.split('\n').filter((line) => line.startsWith('-A'))
  }

  /** Restores these rules and no others, and returns them as they are printed. */
  reprint(table: string, rules: string[]): string[] {
    const said = this.restore(table, rules)
    if (said !== '') throw new Error(said)
    return this.save(table)
  }
}
