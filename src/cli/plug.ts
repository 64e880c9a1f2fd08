/** What a guest is told to be plugged into a port, for a shell or for libvirt. */
import { InvalidArgumentError, Option } from 'commander'
import type { Attachment } from '../control/attachment.ts'
import { memoryPattern } from '../control/quantity.ts'
import { Refusal } from '../control/refusal.ts'
import { call } from './client.ts'

export type Format = 'qemu' | 'libvirt' | 'none'

export interface Options {
  format?: Format
  memory?: string
  json?: boolean
}

export function format(): Option {
  return new Option('--format <format>', "print QEMU's arguments, libvirt's XML or nothing (qemu)").choices([
    'qemu',
    'libvirt',
    'none',
  ])
}

export function memory(): Option {
  const option = new Option('--memory <size>', "the guest's memory, in QEMU's arguments for vhost-user (1G)")
  return option.argParser((text: string) => {
    if (memoryPattern.test(text)) return text
    throw new InvalidArgumentError('expected a size such as 1G or 512M.')
  })
}

/** True if a guest is plugged into such a port; throws a Refusal if a format is asked for where nothing is printed. */
export function isForGuests(type: string, { format }: Options): boolean {
  if (['qemu-tap', 'vhost-user', 'stream', 'dgram'].includes(type)) return true
  if (format === undefined || format === 'none') return false
  throw new Refusal('--format', `no guest is plugged into a ${type}`, 'leave it out')
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

/** An option a line. On a terminal the lines are one command line to copy; in `$(…)` they are words as they stand. */
function lines(words: readonly string[]): string {
  const all: string[] = []
  for (const word of words)
    if (word.startsWith('-')) all.push(word)
    else all.push(`${all.pop()} ${quoted(word)}`)
  return `${all.join(process.stdout.isTTY ? ' \\\n' : '\n')}\n`
}

/** Prints what a guest is told. */
export async function show(socket: string, name: string, options: Options): Promise<void> {
  if (options.format === 'none') return
  const query = options.memory === undefined ? '' : `?${new URLSearchParams({ memory: options.memory })}`
  const path = `/v1/ports/${encodeURIComponent(name)}/attachment${query}`
  const found = await call<Attachment>(socket, 'GET', path)
  const text = options.format === 'libvirt' ? found.libvirt : lines(found.qemu)
  process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : text)
}
