/** A terminal that a test types on and looks at: a tmux server of its own, with one window. */
import { join } from 'node:path'
import { defer } from './cleanup.ts'
import { eventually, must, mustSync } from './command.ts'
import { folder } from './folder.ts'

export class Terminal {
  private readonly tmux: string[]

  /** A shell with an empty prompt. */
  constructor(width: number, height: number) {
    this.tmux = ['tmux', '-f', '/dev/null', '-S', join(folder('terminal'), 'tmux')]
    const size = ['-x', String(width), '-y', String(height)]
    mustSync(...this.tmux, 'new-session', '-d', ...size, 'env', 'PS1=', 'ENV=', 'sh')
    defer(() => mustSync(...this.tmux, 'kill-server'))
  }

  /** Keys by tmux's names, or text. */
  async press(...keys: string[]): Promise<void> {
    await must([...this.tmux, 'send-keys', ...keys])
  }

  async resize(width: number, height: number): Promise<void> {
    await must([...this.tmux, 'resize-window', '-x', String(width), '-y', String(height)])
  }

  /** The lines on the screen. */
  async lines(): Promise<string[]> {
    return (await must([...this.tmux, 'capture-pane', '-p'])).replace(/\n$/, '').split('\n')
  }

  /** Waits until the lines are as wanted. */
  async shows(what: string, look: (lines: string[]) => boolean): Promise<string[]> {
    let lines: string[] = []
    try {
      await eventually(what, async () => look((lines = await this.lines())))
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${lines.join('\n')}`)
    }
    return lines
  }

  /** What tmux knows of the window, such as `alternate_on`. */
  async knows(name: string): Promise<string> {
    return (await must([...this.tmux, 'display-message', '-p', `#{${name}}`])).trim()
  }
}
