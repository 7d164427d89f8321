// How the demo speaks: headlines, a few words, command lines as in a shell. Colours on a terminal only (no-color.org).

const coloured = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
const paint = (code) => (text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text)
const [bold, dim, green, cyan] = [1, 2, 32, 36].map(paint)

export const say = (text) => console.log(text)

/** Begins a part of the story. */
export const headline = (text) => say(`\n${bold(`== ${text}`)}`)

export const explain = (text) => say(dim(`# ${text}`))

/** A command line, as typed. */
export const shown = (line) => say(`${cyan('$')} ${bold(line)}`)

/** A line that was added to a file. */
export const added = (line) => say(green(`+ ${line}`))

/** What the demo has looked at itself, and found as it should be. */
export const proven = (text) => say(`${green('✓')} ${dim(text)}`)
