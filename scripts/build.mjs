/**
 * Builds what is missing or older than its source: node_modules, the addon, one bundle per thread entry, the declarations.
 *
 * Runs before anything is installed, so it imports Node's own modules only. Quiet when there is nothing to do.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { hold } from './lock.mjs'
import { manual } from './man.mjs'
import { install } from './packages.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Thread entries. The control thread's share chunks that are loaded when they are needed: `bridgeport port ls` reads no YAML
 * and validates nothing. The worker holds the hot path: bundled whole, its imports become plain variables.
 */
const groups = [
  {
    entryPoints: { cli: 'src/cli/main.ts', index: 'src/index.ts', program: 'src/cli/program.ts' },
    packages: 'external',
    splitting: true,
  },
  { entryPoints: { worker: 'src/pipeline/worker.ts' }, packages: 'bundle', splitting: false },
]

/** The page: everything that it needs in three files, for a browser that is never sent elsewhere. */
const page = {
  entryPoints: [
    { in: 'src/page/main.ts', out: 'page' },
    { in: 'src/page/style.css', out: 'page' },
    { in: 'src/page/index.html', out: 'index' },
  ],
  ...{ outdir: 'dist/page', platform: 'browser', format: 'iife', target: 'es2023', minify: true },
  loader: { '.html': 'copy' },
}

/** A failed step: `what` went wrong and what to do, in one line. */
export class Failure extends Error {}

/** Shows which step runs; a pipe stays quiet. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`bridgeport: ${text} …\n`)
}

/** Modification time in ms of the newest file below the paths, 0 when none exists. */
function newest(...paths) {
  let time = 0
  for (const path of paths) {
    if (!existsSync(path)) continue
    const status = statSync(path)
    time = Math.max(time, status.mtimeMs)
    if (status.isDirectory())
      time = Math.max(time, ...readdirSync(path).map((name) => newest(join(path, name))))
  }
  return time
}

/** Runs a tool in the package's folder; what it said goes to a log that the failure names. */
export function tool(name, command, args, remedy) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
  if (result.status === 0) return
  mkdirSync(join(root, 'build'), { recursive: true })
  const log = join(root, 'build', `${name}.log`)
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}`
  writeFileSync(log, output)
  const reason = output.split('\n').find((line) => /error|ERR!/.test(line)) ?? `exit status ${result.status}`
  throw new Failure(`${name} failed: ${reason.trim()}; ${remedy} (all it said: ${log})`)
}

/**
 * Packages exactly as locked. Install scripts stay off: the two test peers that need a compiler are built by test.mjs,
 * so a machine that only runs the switch needs no libpcap.
 */
function packages() {
  const lock = join(root, 'package-lock.json')
  if (newest(join(root, 'node_modules/.package-lock.json')) >= newest(lock)) return
  progress('installing packages')
  tool('npm-ci', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], 'check the network and npm')
  const installed = join(root, 'node_modules/.package-lock.json')
  if (existsSync(installed)) utimesSync(installed, new Date(), new Date())
}

/** What a compiler needs; Debian's packages of the same names are installed when we may. */
function compiler() {
  const has = (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
  const missing = ['python3', 'make', 'g++'].filter((name) => !has(name))
  if (missing.length === 0) return
  progress(`installing ${missing.join(' ')}`)
  const refusal = install(missing)
  if (refusal) throw new Failure(`${missing.join(', ')} missing: the addon cannot be built; ${refusal}`)
}

/** Headers of the running Node when its prefix has them (Debian, nvm, tarballs): no download. */
function headers() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : []
}

/** Builds a folder's binding.gyp with the node-gyp of this package. */
export function gyp(folder, name) {
  compiler()
  const script = join(root, 'node_modules/.bin/node-gyp')
  const args = [script, 'configure', 'build', '--directory', folder, '--loglevel=warn', ...headers()]
  tool(
    name,
    process.execPath,
    args,
    'install python3, make, g++ and, for a Node without headers, allow the download',
  )
}

function addon() {
  const binary = join(root, 'build/Release/bridgeport.node')
  const sources = newest(join(root, 'native'), join(root, 'binding.gyp'))
  if (newest(binary) >= sources) return
  progress('compiling the addon')
  gyp(root, 'addon')
  // make leaves the binary alone when a touched source compiles to the same object; the time is our only memory of that.
  utimesSync(binary, new Date(), new Date())
}

async function bundles() {
  const stamp = join(root, 'dist/.stamp')
  const sources = newest(join(root, 'src'), join(root, 'package.json'), fileURLToPath(import.meta.url))
  const names = groups.flatMap((group) => Object.keys(group.entryPoints)).map((name) => `${name}.js`)
  const wanted = [...names, 'page/index.html', 'page/page.js', 'page/page.css']
  const complete = wanted.every((name) => existsSync(join(root, 'dist', name)))
  if (complete && newest(stamp) >= sources) return
  progress('bundling')
  const begun = new Date()
  const esbuild = await import(pathToFileURL(join(root, 'node_modules/esbuild/lib/main.js')).href)
  const made = []
  for (const group of [...groups, page]) made.push(...(await bundle(esbuild, group)))
  prune(made)
  declarations()
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, '')
  utimesSync(stamp, begun, begun)
}

/** Bundles one group; returns the paths that it made. */
async function bundle(esbuild, group) {
  const place = { outdir: 'dist', chunkNames: 'chunk/[hash]', absWorkingDir: root, metafile: true }
  // Minified syntax folds constants across modules: V8 loads a bundled constant from memory, and checks it, at every use.
  const syntax = { bundle: true, minifySyntax: true, target: 'node20' }
  const format = { ...syntax, platform: 'node', format: 'esm', logLevel: 'silent' }
  try {
    const { metafile } = await esbuild.build({ ...place, ...format, ...group })
    return Object.keys(metafile.outputs)
  } catch (failure) {
    const { text, location } = failure.errors?.[0] ?? { text: failure.message }
    const where = location ? `${location.file}:${location.line}: ` : ''
    throw new Failure(`bundling failed: ${where}${text}; mend the source`)
  }
}

/** Removes chunks of earlier builds. */
function prune(made) {
  const folder = join(root, 'dist/chunk')
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) if (!made.includes(`dist/chunk/${name}`)) rmSync(join(folder, name))
}

function declarations() {
  rmSync(join(root, 'dist/types'), { recursive: true, force: true })
  const script = join(root, 'node_modules/.bin/tsc')
  tool('declarations', process.execPath, [script, '--project', 'tsconfig.build.json'], 'mend the source')
}

/** Manual pages and completion say what the bundles and the README say. */
async function pages() {
  const sources = newest(...['dist/.stamp', 'README.md', 'scripts'].map((path) => join(root, path)))
  if (newest(join(root, 'dist/man/bridgeport.1')) < sources) await manual(root)
}

/** Brings everything up to date. Throws a Failure. */
export async function build() {
  if (Number(process.versions.node.split('.')[0]) < 20)
    throw new Failure(`Node ${process.versions.node} is too old; install Node 20 or newer`)
  const release = await hold(join(root, '.build.lock'))
  try {
    packages()
    addon()
    await bundles()
    await pages()
  } finally {
    release()
  }
}

/** Ends the process with the error's one line. */
export function report(error) {
  process.stderr.write(`bridgeport: ${String(error.message).split('\n')[0]}\n`)
  process.exit(1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build().catch(report)
