/**
 * A terminal as a picture of lines. Only lines that changed are written, all of a picture at once: that is what keeps it calm over ssh.
 * The sequences are those that xterm, tmux, screen and the Linux console share (ECMA-48, and DEC's private modes, which a terminal that
 * lacks them ignores).
 */
import { emitKeypressEvents } from 'node:readline'
import type { Key } from './keys.ts'
import { type Line, paint } from './line.ts'

/** The alternate screen, without a cursor, cleared. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[2J'
/** Cleared first: a terminal without an alternate screen would keep the picture. */
const LEAVE = '\x1b[0m\x1b[2J\x1b[H\x1b[?1049l\x1b[?25h'
/** What a serial line is, which cannot tell its size. */
const COLUMNS = 80
const ROWS = 24

interface Told {
  key(key: Key): void
  /** the size changed, or what was shown is lost */
  lost(): void
}

export class Screen {
  private readonly hasColours: boolean
  private shown: string[] = []
  private isOpen = false
  private readonly leave = () => this.close()
  private readonly pressed: (text: string | undefined, key: Key) => void
  private readonly forget: () => void
  private readonly resumed: () => void

  constructor(told: Told) {
    this.hasColours = !process.env.NO_COLOR
    this.pressed = (_text, key) => (key.ctrl && key.name === 'z' ? this.suspend() : told.key(key))
    this.forget = () => {
      this.shown = []
      told.lost()
    }
    this.resumed = () => {
      this.open()
      told.lost()
    }
  }

  /** Why this terminal cannot show a picture, or null. */
  static refusal(): string | null {
    if (!process.stdout.isTTY || !process.stdin.isTTY) return 'it needs a terminal'
    if ((process.env.TERM || 'dumb') === 'dumb') return 'this terminal (TERM=dumb) cannot show a picture'
    return null
  }

  get width(): number {
    return process.stdout.columns || COLUMNS
  }

  get height(): number {
    return process.stdout.rows || ROWS
  }

  /** Takes the terminal; whatever ends the process gives it back. */
  open(): void {
    if (this.isOpen) return
    this.isOpen = true
    emitKeypressEvents(process.stdin)
    process.stdin.setRawMode(true).resume().on('keypress', this.pressed)
    process.stdout.on('resize', this.forget).write(ENTER)
    process.on('exit', this.leave)
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.shown = []
    process.off('exit', this.leave)
    process.stdin.off('keypress', this.pressed).pause().setRawMode(false)
    process.stdout.off('resize', this.forget).write(LEAVE)
  }

  /** Ctrl-Z: the shell has the terminal until it lets us go on. */
  private suspend(): void {
    this.close()
    process.once('SIGCONT', this.resumed)
    process.kill(process.pid, 'SIGTSTP')
  }

  /** Shows lines from the top. */
  show(lines: readonly Line[]): void {
    if (!this.isOpen) return
    const told = lines.map((line) => paint(line, this.width, this.hasColours))
    let changes = this.shown.length === 0 ? '\x1b[2J' : ''
    told.forEach((line, row) => {
      if (line !== this.shown[row]) changes += `\x1b[${row + 1};1H${line}\x1b[K`
    })
    this.shown = told
    if (changes !== '') process.stdout.write(changes)
  }
}
