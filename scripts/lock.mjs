/** A lock file that names its holder: two commands in one clone build one after the other. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Pause between two looks at a lock that somebody else holds. A build takes seconds, so a fifth of one is not felt. */
const pauseMs = 200

function alive(path) {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Takes the lock at `path`, waiting for a living holder, and resolves to the function that releases it. */
export async function hold(path) {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch (error) {
      // Nothing can be built in a folder that we may not write; a step that has to will say so.
      if (error.code === 'EACCES' || error.code === 'EROFS') return () => {}
      if (error.code !== 'EEXIST') throw error
    }
    if (alive(path)) await sleep(pauseMs)
    else rmSync(path, { force: true })
  }
}
