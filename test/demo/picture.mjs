// Makes man/demo.svg, the README's picture, from a real run of the demo on a terminal of its own (script(1)).
//   node test/demo/picture.mjs      runs the demo, writes the picture
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from './packages.mjs'

const columns = 100
/** What of the demo is shown: the life of the certificate, from the first headline to before the second. */
const [from, to] = ['== run:', '== The files']
/** Pixels. */
const cell = { width: 8.4, height: 19 }
const margin = 18

/** SGR codes (ECMA-48) → our classes; what is not here ends nothing and begins nothing. */
const begins = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green', 33: 'yellow', 36: 'cyan' }
const ends = { 0: Object.values(begins), 22: ['bold', 'dim'], 39: ['red', 'green', 'yellow', 'cyan'] }

function record() {
  const command = `stty cols ${columns}; exec '${process.execPath}' test/demo.mjs`
  const env = { ...process.env, TERM: 'xterm', NO_COLOR: '' }
  const options = { cwd: repository, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: 180_000 }
  const { status, stdout, error } = spawnSync('script', ['-qefc', command, '/dev/null'], options)
  if (status !== 0) throw new Error(`the demo failed: ${error?.message ?? stdout}`)
  return stdout
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's stream has them
const tokens = /\u001b\[(\d*)m|(\r\u001b\[K)|(\r*\n)|([^\r])/gu

/** Terminal text → lines of `{char, classes}`, as they stand at the end: erased lines are gone, long ones wrapped. */
function screen(text) {
  const lines = [[]]
  const active = new Set()
  for (const [, code, erase, newline, char] of text.matchAll(tokens)) {
    const line = lines.at(-1)
    if (code !== undefined) {
      for (const name of ends[code || 0] ?? []) active.delete(name)
      if (begins[code]) active.add(begins[code])
    } else if (erase) line.length = 0
    else if (newline) lines.push([])
    else if (line.length === columns) lines.push([{ char, classes: [...active].join(' ') }])
    else line.push({ char, classes: [...active].join(' ') })
  }
  return lines
}

/** Words of one look together, each group with its column: what stands apart is placed apart, whatever becomes of spaces. */
function groups(line) {
  const looks = []
  line.forEach(({ char, classes }, column) => {
    const last = looks.at(-1)
    if (last?.classes === classes) last.text += char
    else looks.push({ column, classes, text: char })
  })
  return looks.flatMap(({ column, classes, text }) =>
    [...text.matchAll(/\S+(?: \S+)*/g)].map((match) => ({ column: column + match.index, classes, text: match[0] })),
  )
}

const xml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

const style = `
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
  .paper { fill: #f6f8fa; stroke: #d1d9e0 } .bold { font-weight: 600 } .dim { fill: #59636e }
  .red { fill: #c21c2c } .green { fill: #116329 } .yellow { fill: #7d4e00 } .cyan { fill: #0a5e78 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .paper { fill: #0d1117; stroke: #3d444d } .dim { fill: #9198a1 }
    .red { fill: #ff7b72 } .green { fill: #56d364 } .yellow { fill: #e3b341 } .cyan { fill: #76e3ea }
  }`

function svg(lines) {
  const width = Math.ceil(columns * cell.width + 2 * margin)
  const height = Math.ceil(lines.length * cell.height + 2 * margin)
  const texts = lines.flatMap((line, row) =>
    groups(line).map(({ column, classes, text }) => {
      const at = `x="${(margin + column * cell.width).toFixed(1)}" y="${margin + row * cell.height + 14}"`
      // The reader's font may be wider or narrower: the columns hold all the same.
      const fit = `textLength="${([...text].length * cell.width).toFixed(1)}"`
      return `<text ${at} ${fit}${classes && ` class="${classes}"`}>${xml(text)}</text>`
    }),
  )
  const title = 'nixacme gets a certificate, skips, renews for a new name, and renews when it is due'
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${title}</title><style>${style}\n</style>`,
    `<rect class="paper" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...texts,
    '</svg>\n',
  ].join('\n')
}

const all = screen(record())
const startsWith = (word) => (line) =>
  line
    .map(({ char }) => char)
    .join('')
    .startsWith(word) // prettier-ignore
const lines = all.slice(all.findIndex(startsWith(from)), all.findIndex(startsWith(to)) - 1)
writeFileSync(join(repository, 'man', 'demo.svg'), svg(lines))
console.log(`man/demo.svg: ${lines.length} lines`)
