/**
 * Preloaded by asan.mjs: whoever opens the addon gets the instrumented one, in tests, their child processes and threads. Programs other
 * than node do without the sanitizers' runtime: curl, for one, never gets to its main function with it.
 */
const child = require('node:child_process')
const { syncBuiltinESMExports } = require('node:module')
const { join } = require('node:path')

const plain = join(__dirname, '../build/Release/bridgeport.node')
const instrumented = join(__dirname, '../build/asan/build/Release/bridgeport.node')
const { dlopen } = process

process.dlopen = (module, path, ...rest) =>
  dlopen.call(process, module, path === plain ? instrumented : path, ...rest)

for (const name of ['spawn', 'spawnSync']) {
  const original = child[name]
  child[name] = (command, args = [], options = {}) => {
    if ([command, ...args].includes(process.execPath)) return original(command, args, options)
    const { LD_PRELOAD, ...env } = options.env ?? process.env
    return original(command, args, { ...options, env })
  }
}
syncBuiltinESMExports()
