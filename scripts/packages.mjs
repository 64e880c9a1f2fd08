/** System packages, where we may install them: Debian and Ubuntu, as root. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }

function apt(...args) {
  return spawnSync('apt-get', ['-y', '-q', ...args], {
    encoding: 'utf8',
    env: environment,
    maxBuffer: 1 << 26,
  })
}

/** Whether this machine is Debian or one of its children. */
export function debian() {
  if (!existsSync('/etc/os-release')) return false
  return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))
}

/** Those of the packages that dpkg does not have installed. */
export function missing(names) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders
  const format = '${Package} ${db:Status-Status}\\n'
  const query = spawnSync('dpkg-query', ['-W', '-f', format, ...names], { encoding: 'utf8' })
  const installed = new Set(
    (query.stdout ?? '')
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  )
  return names.filter((name) => !installed.has(name))
}

function listed() {
  const folder = '/var/lib/apt/lists'
  return (
    existsSync(folder) &&
    readdirSync(folder).some((name) => name.endsWith('_Packages') || name.includes('_Packages.'))
  )
}

/** Debian starts the daemons that it installs unless this file forbids it; a test peer must not open a port on the machine. */
const policy = '/usr/sbin/policy-rc.d'

function quietly(names) {
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return apt('install', '--no-install-recommends', ...names)
  } finally {
    if (ours) rmSync(policy, { force: true })
  }
}

/** Installs packages without starting their services. Returns '' or, when that cannot be done, what the user should do instead. */
export function install(names) {
  if (names.length === 0) return ''
  const command = `apt-get install --no-install-recommends ${names.join(' ')}`
  if (!debian()) return `install ${names.join(' ')} with your system's package manager`
  if (process.getuid() !== 0) return `run: sudo ${command}`
  if (!listed()) apt('update')
  if (quietly(names).status === 0) return ''
  apt('update')
  const second = quietly(names)
  if (second.status === 0) return ''
  const reason = `${second.stderr ?? ''}${second.stdout ?? ''}`
    .split('\n')
    .find((line) => line.startsWith('E:'))
  return `${command} failed (${reason ?? 'apt-get is missing'})`
}
