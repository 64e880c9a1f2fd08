/**
 * `npm run asan`: the suites that work on the addon, with the addon under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 *   npm run asan [-- suites …]     names as vitest takes them
 *
 * What is built lies in build/asan, beside the addon of everybody else. Prints one line; what the sanitizers said is in build/asan/report.*,
 * what the suites said in build/asan/suites.log. Leaks are not looked for: V8 ends without freeing what it has.
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { build, Failure, gyp, progress, report, root } from './build.mjs'
import { hold } from './lock.mjs'

const folder = join(root, 'build/asan')
const flags = '-g -fno-omit-frame-pointer -fsanitize=address,undefined'
const suites = ['test/native/', 'test/vhost/', 'test/port/', 'test/memory/', 'test/pipeline/capture']

/** Compiles native/ in its folder; make knows what is up to date. */
function compile() {
  copyFileSync(join(root, 'binding.gyp'), join(folder, 'binding.gyp'))
  if (!existsSync(join(folder, 'native'))) symlinkSync('../../native', join(folder, 'native'))
  progress('compiling the addon with sanitizers')
  Object.assign(process.env, { CXXFLAGS: flags, LDFLAGS: flags })
  gyp(folder, 'asan')
}

/** The sanitizers' runtime, which has to be there before node is. */
function runtime() {
  const path = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim()
  if (!path.startsWith('/')) throw new Failure('libasan.so is missing: install the libasan of your g++')
  return path
}

/** What tells the suites' processes: signals stay node's and ours, a finding is a file and ends its process. */
function environment() {
  const common = `log_path=${join(folder, 'report')}:print_stacktrace=1:halt_on_error=1`
  const signals = 'handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:handle_sigill=0'
  return {
    ...process.env,
    LD_PRELOAD: runtime(),
    ASAN_OPTIONS: `${common}:${signals}:detect_leaks=0`,
    UBSAN_OPTIONS: common,
    NODE_OPTIONS: `--require=${join(root, 'scripts/redirect.cjs')}`,
  }
}

const findings = () => readdirSync(folder).filter((name) => name.startsWith('report.'))

/** Runs the suites; resolves to the counts of vitest's report. */
function run(names) {
  const results = join(folder, 'results.json')
  for (const name of findings()) rmSync(join(folder, name))
  rmSync(results, { force: true })
  const script = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`]
  // Instrumented code takes three times as long, and so may a test.
  const args = [script, 'run', '--project=unit', '--testTimeout=120000', ...reporters, ...names]
  const child = spawn(process.execPath, args, { cwd: root, env: environment() })
  const log = createWriteStream(join(folder, 'suites.log'))
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.on('close', (status) => {
      const told = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : {}
      const failed = told.numFailedTests ?? 0
      resolve({ passed: told.numPassedTests ?? 0, failed: status !== 0 && failed === 0 ? 1 : failed })
    })
  })
}

try {
  await build()
  mkdirSync(folder, { recursive: true })
  const release = await hold(join(folder, '.lock'))
  process.on('exit', release)
  compile()
  progress('running the suites under the sanitizers')
  const { passed, failed } = await run(process.argv.length > 2 ? process.argv.slice(2) : suites)
  const found = findings().length
  const where = found + failed > 0 ? ` (see ${folder}/report.* and suites.log)` : ''
  process.stdout.write(`${passed} passed, ${failed} failed, ${found} found by the sanitizers${where}\n`)
  process.exitCode = found + failed > 0 ? 1 : 0
} catch (error) {
  report(error)
}
