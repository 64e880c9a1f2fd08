/** The flow log's file under operators' hands and on full disks. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { append, LogFile } from '../../../src/control/flowlog/file.ts'
import { cleanup } from '../../lab/cleanup.ts'
import { eventually } from '../../lab/command.ts'
import { folder } from '../../lab/folder.ts'

afterAll(cleanup)

function stand(path = join(folder('flowlog'), 'flows.jsonl')) {
  const told: string[] = []
  const hear = (_: object, message: string) => void told.push(message)
  const file = new LogFile(path, append(path), { info: hear, warn: hear })
  const has = (text: string, at = path) =>
    eventually(`${at} has ${text}`, () => {
      file.pump()
      return existsSync(at) && readFileSync(at, 'utf8') === text
    })
  return { path, told, file, has }
}

it('appends to what is there, for its owner and group only', async () => {
  const path = join(folder('flowlog'), 'flows.jsonl')
  appendFileSync(path, 'before\n')
  const { file, has } = stand(path)
  file.add('a\nb\n', 2)
  await has('before\na\nb\n')
  file.add('c\n', 1)
  await file.end()
  expect(readFileSync(path, 'utf8')).toBe('before\na\nb\nc\n')
  const fresh = stand()
  expect(statSync(fresh.path).mode & 0o777).toBe(0o640)
})

it('goes on in another file once it is told to, not before', async () => {
  const { path, file, has, told } = stand()
  file.add('a\n', 1)
  await has('a\n')
  renameSync(path, `${path}.1`)
  file.add('b\n', 1)
  await has('a\nb\n', `${path}.1`)
  file.reopen()
  file.add('c\n', 1)
  await has('c\n')
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('a\nb\n')
  expect([told, file.lost]).toEqual([[], 0])
})

it('waits for a folder that vanished, tells of it once, and loses nothing', async () => {
  const parent = join(folder('flowlog'), 'logs')
  mkdirSync(parent)
  const { file, has, told } = stand(join(parent, 'flows.jsonl'))
  rmSync(parent, { recursive: true })
  for (const line of ['a\n', 'b\n', 'c\n']) {
    file.add(line, 1)
    file.pump()
  }
  expect(told).toEqual([expect.stringContaining('ENOENT')])
  mkdirSync(parent)
  await has('a\nb\nc\n')
  expect([told.length, told[1], file.lost]).toEqual([2, 'the flow log is written again', 0])
})

it('keeps a bounded number of lines for a full disk, and counts the others', async () => {
  const { file, told } = stand('/dev/full')
  const line = `${'x'.repeat(2 ** 20 - 1)}\n`
  for (let n = 0; n < 20; n++) {
    file.add(line, 1)
    file.pump()
  }
  await eventually('it is told', () => told.length > 0)
  expect(told[0]).toContain('ENOSPC')
  expect(file.lost).toBe(12)
  await file.end()
  expect([told.length, file.lost]).toEqual([1, 20])
})
