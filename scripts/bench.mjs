/**
 * `npm run bench`: builds, then the microbenchmarks, then the comparison with other switches, then that with other NATs, then that
 * with the kernel's rules, then that with other switches for guests, then what it costs to look.
 *
 *   npm run bench -- plots                  the README's plots, from its tables
 *   npm run bench -- [micro|compare|nat|rules|vhost|observe] [--quick …]     options go to the comparisons (bench/main.ts)
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, Failure, progress, report, root } from './build.mjs'
import { draw } from './plot.mjs'

/** Entries that exist are bundled; the switch's own bundles are build.mjs's. */
const entries = [
  { source: 'bench/micro/main.ts', bundle: 'dist/bench/micro.js' },
  { source: 'bench/duplex/main.ts', bundle: 'dist/bench/duplex.js' },
  { source: 'bench/main.ts', bundle: 'dist/bench/main.js' },
]

/** Always anew: it takes less time than finding out whether it has to be done. */
async function bundle() {
  const esbuild = await import(pathToFileURL(join(root, 'node_modules/esbuild/lib/main.js')).href)
  for (const { source, bundle } of entries) {
    if (!existsSync(join(root, source))) continue
    const files = { entryPoints: [source], outfile: bundle, absWorkingDir: root }
    const syntax = { bundle: true, minifySyntax: true, target: 'node20' } // as the switch itself is bundled
    const format = { ...syntax, platform: 'node', format: 'esm', logLevel: 'silent' }
    await esbuild.build({ ...files, ...format, packages: 'external' }).catch((failure) => {
      throw new Failure(
        `bundling ${source} failed: ${failure.errors?.[0]?.text ?? failure.message}; mend the source`,
      )
    })
  }
}

/** Runs a bundle, hands signals on and resolves to its exit status. */
function run(name, args) {
  const file = join(root, 'dist/bench', name)
  if (!existsSync(file)) return 0
  const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit', cwd: root })
  // A terminal's Ctrl-C reaches the child anyway; a signal to this process alone would not. Twice does no harm.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => child.once('close', (status) => resolve(status ?? 1)))
}

async function main() {
  const [first, ...rest] = process.argv.slice(2)
  if (first === 'plots') return draw(root)
  const only = ['micro', 'compare', 'nat', 'rules', 'vhost', 'observe'].includes(first) ? first : null
  const args = only ? rest : process.argv.slice(2)
  await build()
  progress('bundling the benchmarks')
  await bundle()
  let status = 0
  // A peer that fails does not keep the next part from running; a signal (128 and its number) does.
  const wanted = (part) => status < 128 && (only === null || only === part)
  // Names of peers and measurements mean the switches, unless it is said otherwise.
  const named = only === null && args.some((arg) => /^--(only|measure)\b/.test(arg))
  if (wanted('micro')) status = await run('micro.js', [])
  if (wanted('compare')) status = (await run('main.js', args)) || status
  for (const part of ['nat', 'rules', 'vhost', 'observe'])
    if (wanted(part) && !named) status = (await run('main.js', [part, ...args])) || status
  process.exit(status)
}

await main().catch(report)
