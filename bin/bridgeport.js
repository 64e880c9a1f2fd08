#!/usr/bin/env node
import { existsSync } from 'node:fs'

const program = new URL('../dist/cli.js', import.meta.url)
if (existsSync(program)) await import(program.href)
else {
  process.stderr.write('bridgeport: not built: dist/cli.js is missing; run npm run build\n')
  process.exitCode = 1
}
