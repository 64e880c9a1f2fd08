/**
 * Manual pages and the shell's completion, from what there is anyway: the tree of commands, and the README's own sections.
 *
 * They are made with every build, into dist/man and dist/completion, so that they say what the command says.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { code, entry, literal, quote, roff } from './roff.mjs'

/** The README's section of a title with what is below it, without the title. */
function section(readme, title) {
  const begin = readme.indexOf(`\n## ${title}\n`)
  if (begin < 0) throw new Error(`README.md has no section ${title}`)
  const rest = readme.slice(begin + title.length + 5)
  const end = rest.search(/^## /m)
  return roff(end < 0 ? rest : rest.slice(0, end))
}

/** What a table of the README says of commands stands with each of them already. */
function withoutTables(readme) {
  return readme.replace(/^\|.*\n/gm, '')
}

function head({ name, number, version, does }) {
  return `.TH ${quote(name.toUpperCase())} ${number} "" ${quote(`bridgeport ${version}`)}\n.SH NAME\n${literal(name)} \\- ${literal(does)}\n`
}

/** What every command takes is told once. */
function options(command) {
  const help = command.createHelp()
  return help
    .visibleOptions(command)
    .filter(({ long }) => command.parent === null || !['--socket', '--help'].includes(long))
    .map((option) =>
      entry(`\\fB${literal(help.optionTerm(option))}\\fR`, literal(help.optionDescription(option))),
    )
    .join('')
}

/** Every command that does something, with what it takes and how it is called. */
function commands(command, { examples, pathOf }) {
  if (command.commands.length > 0)
    return command.commands.map((below) => commands(below, { examples, pathOf })).join('')
  const help = command.createHelp()
  const takes = help
    .visibleArguments(command)
    .map((each) => entry(`\\fI${literal(each.name())}\\fR`, literal(help.argumentDescription(each))))
  const usage = `bridgeport ${pathOf(command)} ${command.usage()}`
  return `.SS ${quote(`bridgeport ${pathOf(command)}`)}\n.B ${quote(usage)}\n.PP\n${literal(help.subcommandDescription(command))}\n${takes.join('')}${options(command)}${code(examples(command).join('\n'))}`
}

function also(...names) {
  return `.SH "SEE ALSO"\n${names.map((name) => `.BR ${name.replace(/\((.)\)/, ' ($1)')}`).join(' ,\n')}\n`
}

const files = `.SH FILES
${entry('\\fI/etc/bridgeport/bridgeport.yaml\\fR', 'the configuration, unless there is a \\fIbridgeport.yaml\\fR here or \\fB\\-c\\fR names another')}\
${entry('\\fI/run/bridgeport/bridgeport.sock\\fR', 'where the switch answers')}\
${entry('\\fI/var/lib/bridgeport\\fR', 'leases, and what command line and API added')}`

/** The pages by their file names. */
function pages(tree, readme) {
  const root = tree.program()
  const version = root.version()
  const isIntroduction = (text) => /^(Bridgeport is|\*\*What it is)/.test(text)
  const intro = roff(readme.split('\n\n').filter(isIntroduction).join('\n\n'))
  return {
    'bridgeport.1':
      head({ name: 'bridgeport', number: 1, version, does: root.description() }) +
      `.SH SYNOPSIS\n.B bridgeport\n.I command\n[\\fIoptions\\fR] [\\fIarguments\\fR]\n.SH DESCRIPTION\n${intro}` +
      `.SH OPTIONS\n${options(root)}.SH COMMANDS\n${commands(root, tree)}` +
      `.SH "SEE IT"\n${section(readme, 'See it')}.SH METRICS\n${section(readme, 'Metrics')}` +
      `.SH "EXIT STATUS"\n${section(withoutTables(readme), 'Command line')}${files}` +
      also('bridgeport.yaml(5)', 'bridgeport.service(8)'),
    'bridgeport.yaml.5':
      head({ name: 'bridgeport.yaml', number: 5, version, does: 'configuration of a Bridgeport switch' }) +
      `.SH DESCRIPTION\n${section(readme, 'Configuration')}.SH "GUESTS BY SOCKET"\n${section(readme, 'Guests by socket')}` +
      `.SH RULES\n${section(readme, 'Rules')}${files}` +
      also('bridgeport(1)', 'bridgeport.service(8)'),
    'bridgeport.service.8':
      head({
        name: 'bridgeport.service',
        number: 8,
        version,
        does: 'a Bridgeport switch as a service of systemd',
      }) +
      `.SH DESCRIPTION\n${section(readme, 'Install')}.SH "WITHOUT ROOT"\n${section(readme, 'Without root')}${files}` +
      also('bridgeport(1)', 'bridgeport.yaml(5)', 'systemctl(1)', 'systemd.exec(5)'),
  }
}

/** What may follow each command: those below it, and its options. */
function words(command, pathOf) {
  const help = command.createHelp()
  const flags = help.visibleOptions(command).map(({ long }) => long)
  const own = [...command.commands.map((each) => each.name()), ...flags].join(' ')
  return [
    `  [${pathOf(command) || 'bridgeport'}]='${own}'\n`,
    ...command.commands.flatMap((each) => words(each, pathOf)),
  ]
}

function completion({ program, pathOf }) {
  return `# bash completion for bridgeport
declare -A _bridgeport_words=(
${words(program(), pathOf)
  .join('')
  .replace(/\[([^\]]*)\]/g, '["$1"]')})
_bridgeport() {
  local path=bridgeport word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word != -* && " \${_bridgeport_words[$path]} " == *" $word "* ]] || continue
    [[ $path == bridgeport ]] && path=$word || path="$path $word"
  done
  mapfile -t COMPREPLY < <(compgen -W "\${_bridgeport_words[$path]}" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _bridgeport bridgeport
`
}

/** Writes all of it below dist. */
export async function manual(root) {
  const tree = await import(pathToFileURL(join(root, 'dist/program.js')).href)
  // The README speaks of a clone; who reads a manual page has the command in the path.
  const readme = readFileSync(join(root, 'README.md'), 'utf8').replaceAll('npx bridgeport', 'bridgeport')
  const made = { man: pages(tree, readme), completion: { bridgeport: completion(tree) } }
  for (const [folder, texts] of Object.entries(made)) {
    mkdirSync(join(root, 'dist', folder), { recursive: true })
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(root, 'dist', folder, name), text)
  }
}
