// Reads unit files as systemd does, written from its manual (systemd.syntax(7), systemd.service(5), systemd.unit(5)) and
// with nothing of src/systemd: what it gives is what a running systemd would understand.

export interface ReadUnit {
  /** All values of a key, in order. */
  all(section: string, key: string): string[]
  /** The only value of a key; throws when there are others, or none. */
  one(section: string, key: string): string
  /** Values of a key that hold lists, as words. */
  words(section: string, key: string): string[]
  /** Keys of a section, each once. */
  keys(section: string): string[]
}

export function readUnit(text: string): ReadUnit {
  const found: (readonly [section: string, key: string, value: string])[] = []
  let section = ''
  // A backslash at the end of a line goes on with the next one.
  for (const line of text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((one) => one.trim())) {
    if (line === '' || /^[#;]/.test(line)) continue
    const header = /^\[(.*)\]$/.exec(line)
    const [, key, value] = /^([A-Za-z0-9-]+)\s*=\s*(.*)$/.exec(line) ?? []
    if (header) section = header[1] ?? ''
    else if (key === undefined || value === undefined) throw new Error(`not a line of a unit: '${line}'`)
    else found.push([section, key, value])
  }
  const all = (wanted: string, name: string) =>
    found.flatMap(([within, key, value]) => (within === wanted && key === name ? [value] : []))
  return {
    all,
    one(wanted, name) {
      const [value, ...more] = all(wanted, name)
      if (value === undefined || more.length > 0) throw new Error(`[${wanted}] ${name}=: ${1 + more.length} values`)
      return value
    },
    words: (wanted, name) => all(wanted, name).flatMap((value) => splitWords(value).map(specifiers)),
    keys: (wanted) => [...new Set(found.flatMap(([within, key]) => (within === wanted ? [key] : [])))],
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', s: ' ', '"': '"', "'": "'", '\\': '\\' }

/** Words of a list: parted by white space, quotes taken off, what a backslash escapes put in its place. */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (char === '\\') {
      const next = text.charAt(++i)
      const hex = /^[0-9a-f]{2}/.exec(text.slice(i + 1))?.[0]
      if (next === 'x' && hex !== undefined) {
        word = `${word ?? ''}${String.fromCharCode(Number.parseInt(hex, 16))}`
        i += 2
      } else if (escapes[next] === undefined) throw new Error(`unknown escape in ${text}`)
      else word = `${word ?? ''}${escapes[next]}`
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined
      else word += char
    } else if (char === '"' || char === "'") {
      quote = char
      word ??= ''
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = `${word ?? ''}${char}`
  }
  if (quote !== undefined) throw new Error(`a quote is open in ${text}`)
  return word === undefined ? words : [...words, word]
}

/** `%%` → `%`; any other specifier has a meaning of its own, which no name or path may get by accident. */
export const specifiers = (text: string): string =>
  text.replace(/%(.?)/gu, (_, letter: string) => {
    if (letter === '%') return '%'
    if (letter === 'd') return '/run/credentials'
    throw new Error(`a specifier in ${text}`)
  })

/** A command line, variables of the environment refused: [executable, …arguments] without prefixes. */
export function commandOf(value: string): string[] {
  const [executable = '', ...args] = splitWords(value).map(specifiers)
  const expanded = args.map((arg) =>
    arg.replace(/\$(.?)/gu, (_, next: string) => {
      if (next === '$') return '$'
      throw new Error(`a variable in ${value}`)
    }),
  )
  return [executable.replace(/^[-+!@:|]+/, ''), ...expanded]
}

/** A path, less what `-` and `+` before it mean. */
export const pathIn = (word: string): string => word.replace(/^[-+]+/, '')
