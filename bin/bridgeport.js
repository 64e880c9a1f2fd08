#!/usr/bin/env node
import { existsSync } from 'node:fs'

const program = new URL('../dist/cli.js', import.meta.url)
const refuse = (text) => {
  process.stderr.write(`bridgeport: ${text}\n`)
  process.exitCode = 1
}
if (Number.parseInt(process.versions.node, 10) < 20)
  refuse(`Node ${process.versions.node} is too old: put Node 20 or newer first in the path`)
else if (existsSync(program)) await import(program.href)
else refuse('not built: dist/cli.js is missing; run npm run build')
