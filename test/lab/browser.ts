/** Chromium in a namespace: what a reader sees, and whatever the browser complains about. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Namespace } from './namespace.ts'

/** A browser that lives in the namespace: its 127.0.0.1 is the namespace's. */
export function browse(place: Namespace): Promise<Browser> {
  const wrapper = join(place.folder('browser'), 'chromium')
  writeFileSync(wrapper, `#!/bin/sh\nexec ${place.argv('chromium').join(' ')} "$@" 2> /dev/null\n`, {
    mode: 0o755,
  })
  // As root there is no sandbox to be had; what is loaded is our own page.
  return chromium.launch({ executablePath: wrapper, args: ['--no-sandbox', '--disable-gpu'] })
}

/** Notes errors of scripts, refusals of the content policy, and requests to anybody but `origin`. */
export function listen(page: Page, origin: string): string[] {
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:'))
      complaints.push(request.url())
  })
  return complaints
}
