/** Markdown as the README uses it, as roff for man(1): headings, paragraphs, lists, tables, code. */

/** Plain text, safe anywhere in a line; what is not ASCII by its number, so that no encoding has to be guessed. */
export function literal(text) {
  const plain = text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
  return plain.replace(/[^ -~\n]/gu, (each) => `\\[u${hexadecimal(each)}]`)
}

function hexadecimal(character) {
  return character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')
}

/** Text with code and emphasis; links keep their words, and their address if it is one of the web. */
function inline(text) {
  const parts = text.replace(/\[([^\]]*)\]\(([^)]*)\)/g, (_, words, to) =>
    to.startsWith('http') ? `${words} (${to})` : words,
  )
  return parts
    .split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*)/)
    .map((part) => {
      const [, bold, italic] = /^(?:`|\*\*)([^`*]+)(?:`|\*\*)$|^\*([^*]+)\*$/.exec(part) ?? []
      if (bold !== undefined) return `\\fB${literal(bold)}\\fR`
      return italic === undefined ? literal(part) : `\\fI${literal(italic)}\\fR`
    })
    .join('')
}

/** A macro's arguments stand in quotes. */
export function quote(text) {
  return `"${literal(text).replaceAll('"', '\\(dq')}"`
}

export function code(text) {
  return `.PP\n.RS 4\n.EX\n${literal(text.trimEnd())}\n.EE\n.RE\n`
}

/** A term and what is said of it. */
export function entry(term, text) {
  return `.TP\n${term}\n${text === '' ? '\\&' : text}\n`
}

/** Behind the heading of the first column, a row is a term; with more than two columns every other cell is told with its heading. */
function table(lines) {
  const [heading, , ...rows] = lines.map((line) => line.replace(/^\| ?| ?\|$/g, '').split(/ ?\| ?/))
  const terms = rows
    .map(([term, ...cells]) => {
      const told = cells.map((cell, at) =>
        cell === '' || cells.length === 1 || heading[at + 1] === ''
          ? inline(cell)
          : `${inline(heading[at + 1])}: ${inline(cell)}`,
      )
      return entry(inline(term), told.filter((each) => each !== '').join('\n.br\n'))
    })
    .join('')
  return `.PP\n\\fI${inline(heading[0])}\\fR:\n${terms}`
}

function block(text) {
  const fence = /^```\w*\n([\s\S]*)\n```$/.exec(text)
  if (fence) return code(fence[1])
  if (text.startsWith('<')) return ''
  const heading = /^(##+) (.*)$/.exec(text)
  if (heading)
    return heading[1] === '##' ? `.SH ${quote(heading[2].toUpperCase())}\n` : `.SS ${quote(heading[2])}\n`
  const lines = text.split('\n')
  if (text.startsWith('|')) return table(lines)
  if (text.startsWith('- '))
    return text
      .slice(2)
      .split(/\n- /)
      .map((item) => `.IP \\(bu 2\n${inline(item.replace(/\n +/g, '\n'))}\n`)
      .join('')
  return `.PP\n${inline(text)}\n`
}

/** A document, or a part of one. */
export function roff(markdown) {
  const blocks = markdown.match(/^```\w*\n[\s\S]*?^```$|(?:^(?!```).+\n?)+/gm) ?? []
  return blocks.map((each) => block(each.trimEnd())).join('')
}
