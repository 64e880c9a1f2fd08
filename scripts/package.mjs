/**
 * `npm run package`: build/bridgeport_VERSION_ARCH.deb, by dpkg-deb alone.
 *
 * The same tree makes the same bytes: every time in it is SOURCE_DATE_EPOCH, or that of the last commit. Node itself is not part of
 * it and not depended on, since Debian 12 has none that is new enough: what starts the switch says what is missing.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, Failure, progress, report, root } from './build.mjs'

const { version, description, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const maintainer = 'The Bridgeport authors <maintainers@bridgeport.invalid>'
const stage = join(root, 'build/package')
const home = 'usr/lib/bridgeport'
/** the one licence here that Debian has a copy of */
const APACHE = 'Apache-2.0'
const docs = 'usr/share/doc/bridgeport'

function said(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status === 0) return stdout.trim()
  throw new Failure(
    `${command} failed: ${(error?.message ?? stderr).trim().split('\n')[0]}; install dpkg-dev and binutils`,
  )
}

/** When everything in the package was made, in seconds. */
function epoch() {
  const told = process.env.SOURCE_DATE_EPOCH
  if (told) return Number(told)
  const { status, stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' })
  return status === 0 ? Number(stdout) : Math.floor(statSync(join(root, 'package.json')).mtimeMs / 1000)
}

function put(path, text) {
  const file = join(stage, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

function copy(from, to, filter = () => true) {
  cpSync(join(root, from), join(stage, to), { recursive: true, filter })
}

/** What a module brings for its own tests, for its readers and for compilers is left out. */
function isNeeded(path) {
  const name = basename(path)
  if (
    /^(tests?|__tests__|bench|benchmarks?|docs|examples|coverage|scripts|integration|bin|bin\.m?js|\..+)$/.test(
      name,
    )
  )
    return false
  return !/\.([cm]?ts|map|md|ya?ml|html|sh)$/.test(name) && !/^(eslint|tsconfig|tap)/.test(name)
}

/** Packages that the switch runs with, as they are locked. */
function modules() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const isRun = ([path, { dev, devOptional }]) =>
    path !== '' && !dev && !devOptional && existsSync(join(root, path))
  return Object.entries(packages).filter(isRun)
}

function program() {
  for (const path of ['bin/bridgeport.js', 'package.json', 'binding.gyp']) copy(path, `${home}/${path}`)
  const isOurs = (path) =>
    !/^dist\/(man|completion|types|bench|program\.js|\.stamp)/.test(relative(root, path))
  copy('dist', `${home}/dist`, isOurs)
  copy('build/Release/bridgeport.node', `${home}/build/Release/bridgeport.node`)
  said('strip', '--strip-unneeded', join(stage, home, 'build/Release/bridgeport.node'))
  for (const [path] of modules())
    if (path.lastIndexOf('node_modules/') === 0) copy(path, `${home}/${path}`, (from) => isNeeded(from))
  put('usr/bin/bridgeport', readFileSync(join(root, 'packaging/bridgeport')))
}

function around() {
  copy('packaging/bridgeport.yaml', 'etc/bridgeport/bridgeport.yaml')
  copy('systemd/bridgeport.service', 'lib/systemd/system/bridgeport.service')
  copy('systemd/user/bridgeport.service', 'usr/lib/systemd/user/bridgeport.service')
  copy('dist/completion/bridgeport', 'usr/share/bash-completion/completions/bridgeport')
  for (const name of readdirSync(join(root, 'dist/man')))
    put(`usr/share/man/man${name.at(-1)}/${name}.gz`, packed(readFileSync(join(root, 'dist/man', name))))
  copy('examples', `${docs}/examples`)
  copy('docs', `${docs}/docs`)
  for (const name of ['README.md', 'ARCHITECTURE.md']) copy(name, `${docs}/${name}`)
}

function packed(text) {
  return gzipSync(text, { level: 9 })
}

/** Who wrote what, in Debian's machine-readable form. */
function copyright() {
  const indent = (text) => text.trim().replace(/^$/gm, '.').replace(/^/gm, ' ')
  const [, own, ...rest] = readFileSync(join(root, 'LICENSE'), 'utf8').trim().split('\n\n')
  const stanza = (files, holder, name) => `Files: ${files}\nCopyright: ${holder}\nLicense: ${name}\n`
  const others = modules().map(([path, { license: name }]) => {
    const folder = join(root, path)
    const file = readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each))
    const text = file ? readFileSync(join(folder, file), 'utf8') : ''
    const terms =
      text !== '' && name !== APACHE
        ? text
        : `See ${name === APACHE ? '/usr/share/common-licenses/Apache-2.0' : 'package.json there'}.`
    const holder =
      /^.*(copyright (?:\(c\)|©|\d).*)$/im.exec(text)?.[1].trim() ?? `the authors of ${basename(path)}`
    return `${stanza(`${home}/${path}/*`, holder, `${name} and its file`)}${indent(terms)}\n`
  })
  const form = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n'
  return [form, `${stanza('*', own.trim(), license)}${indent(rest.join('\n\n'))}\n`, ...others].join('\n')
}

/** Shared objects that the addon wants, as the machine that builds it calls them. */
function libraries() {
  const folder = join(root, 'build/shlibs')
  mkdirSync(join(folder, 'debian'), { recursive: true })
  writeFileSync(
    join(folder, 'debian/control'),
    'Source: bridgeport\n\nPackage: bridgeport\nArchitecture: any\n',
  )
  const binary = join(stage, home, 'build/Release/bridgeport.node')
  const { status, stdout } = spawnSync('dpkg-shlibdeps', ['-O', '--ignore-missing-info', binary], {
    cwd: folder,
    encoding: 'utf8',
  })
  const found = status === 0 ? /^shlibs:Depends=(.*)$/m.exec(stdout) : null
  return found?.[1] ?? 'libc6, libgcc-s1, libstdc++6'
}

function files(folder = stage) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((each) => (each.isDirectory() ? files(join(folder, each.name)) : [join(folder, each.name)]))
}

function control(architecture) {
  const all = files()
  const kilobytes = Math.ceil(all.reduce((sum, path) => sum + statSync(path).size, 0) / 1024)
  const fields = {
    Package: 'bridgeport',
    Version: version,
    Architecture: architecture,
    Maintainer: maintainer,
    'Installed-Size': kilobytes,
    Depends: `${libraries()}, adduser`,
    Recommends: 'nodejs (>= 20), libpcap0.8',
    Suggests: 'qemu-system-x86, libvirt-daemon-system, podman, wireshark-common',
    Section: 'net',
    Priority: 'optional',
    Description: description.replace('A u', 'u'),
  }
  const about = ` Plugs QEMU guests, containers and processes into networks that are bridged,
 routed, translated or closed, with DHCP, DNS, published ports, rules in the
 language of iptables, captures, metrics and a page to look at.
 .
 It runs on Node 20 or newer, which may come from elsewhere than Debian.`
  const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  put('DEBIAN/control', `${text.join('\n')}\n${about}\n`)
  put('DEBIAN/conffiles', '/etc/bridgeport/bridgeport.yaml\n')
  const sum = (path) => createHash('md5').update(readFileSync(path)).digest('hex')
  put('DEBIAN/md5sums', all.map((path) => `${sum(path)}  ${relative(stage, path)}\n`).join(''))
  for (const name of ['postinst', 'prerm', 'postrm'])
    put(`DEBIAN/${name}`, readFileSync(join(root, 'packaging', name)))
}

/** The same rights and the same time for everything, whatever the umask and the modules' authors had. */
function settle(folder, seconds) {
  for (const each of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, each.name)
    const isProgram = /(^|\/)bin\/bridgeport|^DEBIAN\/p/.test(relative(stage, path))
    if (each.isDirectory()) settle(path, seconds)
    else chmodSync(path, isProgram ? 0o755 : 0o644)
    lutimesSync(path, seconds, seconds)
  }
  chmodSync(folder, 0o755)
  lutimesSync(folder, seconds, seconds)
}

/** Makes the package; returns its path. */
async function pack() {
  await build()
  progress('packing')
  const seconds = epoch()
  const architecture = said('dpkg', '--print-architecture')
  rmSync(stage, { recursive: true, force: true })
  program()
  around()
  put(`${docs}/copyright`, copyright())
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000')
  put(
    `${docs}/changelog.gz`,
    packed(
      `bridgeport (${version}) stable; urgency=medium\n\n  * Version ${version}.\n\n -- ${maintainer}  ${date}\n`,
    ),
  )
  control(architecture)
  settle(stage, seconds)
  const path = join(root, `build/bridgeport_${version}_${architecture}.deb`)
  process.env.SOURCE_DATE_EPOCH = String(seconds)
  said('dpkg-deb', '--root-owner-group', '-Zxz', '--build', stage, path)
  return path
}

await pack().then((path) => process.stdout.write(`${relative(process.cwd(), path)}\n`), report)
