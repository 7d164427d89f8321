// A file of variables in the syntax of EnvironmentFile= (systemd.exec(5)), for runs that systemd did not start: the same
// file gives the same variables.

/** What a backslash takes the meaning from, between double quotes. */
const escapable = '"\\`$'
const isBlank = (char: string): boolean => char === ' ' || char === '\t' || char === '\r'

type Place =
  | 'key'
  | 'comment'
  /** After the `=`, or after a closing quote. */
  | 'before value'
  | 'value'
  | 'single quotes'
  | 'double quotes'

class Reader {
  readonly variables: Record<string, string> = {}
  #place: Place = 'key'
  #key = ''
  #value = ''
  /** Length of the value without the blanks at its end. */
  #solid = 0

  /** `next` is the character that a backslash stands before; undefined where there is no backslash, or nothing after it. */
  take(char: string, next: string | undefined): void {
    if (this.#place === 'comment') {
      if (char === '\n') this.#place = 'key'
    } else if (this.#place === 'key') this.#takeKey(char)
    else if (this.#place === 'before value') this.#takeFirst(char, next)
    else if (this.#place === 'value') this.#takePlain(char, next)
    else this.#takeQuoted(char, next)
  }

  #takeKey(char: string): void {
    const isStart = this.#key.trim() === ''
    if (isStart && (char === '#' || char === ';')) this.#place = 'comment'
    else if (char === '\n') this.#key = ''
    else if (char === '=') this.#place = 'before value'
    else this.#key += char
  }

  #takeFirst(char: string, next: string | undefined): void {
    if (char === "'") this.#place = 'single quotes'
    else if (char === '"') this.#place = 'double quotes'
    else if (!isBlank(char)) {
      this.#place = 'value'
      this.#takePlain(char, next)
    }
  }

  #takePlain(char: string, next: string | undefined): void {
    if (char === '\n') this.end()
    else if (char !== '\\') this.#add(char, !isBlank(char))
    else if (next !== undefined && next !== '\n') this.#add(next, true)
  }

  #takeQuoted(char: string, next: string | undefined): void {
    const isDouble = this.#place === 'double quotes'
    if (char === (isDouble ? '"' : "'")) this.#place = 'before value'
    else if (!isDouble || char !== '\\') this.#add(char, true)
    else if (next !== undefined && next !== '\n') this.#add(escapable.includes(next) ? next : `\\${next}`, true)
  }

  /** True where a backslash takes the character after it along. */
  get escapes(): boolean {
    return this.#place === 'before value' || this.#place === 'value' || this.#place === 'double quotes'
  }

  #add(text: string, isSolid: boolean): void {
    this.#value += text
    if (isSolid) this.#solid = this.#value.length
  }

  /** The end of a line or of the file; an open quote ends there, too. */
  end(): void {
    const name = this.#key.trim()
    // Names that no environment can have are left out, as systemd does.
    if (!['key', 'comment'].includes(this.#place) && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      this.variables[name] = this.#value.slice(0, this.#solid)
    this.#place = 'key'
    this.#key = this.#value = ''
    this.#solid = 0
  }
}

/** The variables that a text sets; of a name that is set twice the last value holds. What is no assignment is passed over. */
export function parseEnvironmentFile(text: string): Readonly<Record<string, string>> {
  const reader = new Reader()
  const chars = [...text]
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? ''
    const isEscape = char === '\\' && reader.escapes
    reader.take(char, isEscape ? chars[i + 1] : undefined)
    if (isEscape) i++
  }
  reader.end()
  return reader.variables
}
