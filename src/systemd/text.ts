// Units as data, and the one place where they become text: systemd's quoting and escaping are known here and nowhere else
// (systemd.syntax(7), systemd.service(5), systemd.unit(5)).

/** A setting, or words about the settings that follow. */
export type Line = readonly [key: string, value: string] | string

export interface Section {
  readonly name: 'Unit' | 'Service' | 'Socket' | 'Timer' | 'Slice' | 'Install'
  readonly lines: readonly Line[]
}

export interface Unit {
  /** File name, such as `acme-example.com.service`. */
  readonly name: string
  readonly sections: readonly Section[]
}

/** What an enabled unit is started with. */
export const installedIn = (target: string): Section => ({ name: 'Install', lines: [['WantedBy', target]] })

/** The first line of each file that nixacme writes for the system: what has it may be replaced and removed. */
export const madeByUs =
  '# Made by nixacme from its config: change that and run nixacme apply; what stands here is replaced.'

/** The text of a unit file. */
export function renderUnit({ sections }: Unit): string {
  const body = sections.map(({ name, lines }) => [`[${name}]`, ...lines.map(renderLine)].join('\n'))
  return `${madeByUs}\n\n${body.join('\n\n')}\n`
}

const renderLine = (line: Line): string => (typeof line === 'string' ? `# ${line}` : `${line[0]}=${line[1]}`)

/** `%` stands for itself. */
export const plain = (text: string): string => text.replaceAll('%', '%%')

/** In quotes unless it is `harmless`. */
const quoted = (text: string, harmless: RegExp): string =>
  harmless.test(text) ? plain(text) : `"${plain(text).replace(/["\\]/g, '\\$&')}"`

/** One word of a list of words: quoted where it must be. */
export const word = (text: string): string => quoted(text, /^[A-Za-z0-9%@_+=:,./{}~!-]+$/)

/** One argument of a command line, where `$` would be a variable too. */
export const argument = (text: string): string => word(text).replaceAll('$', '$$$$')

/** The executable's path holds no variables. */
export const commandLine = ([executable = '', ...args]: readonly string[]): string =>
  [word(executable), ...args.map(argument)].join(' ')

/** A list of words, each quoted where it must be. */
export const wordList = (words: readonly string[]): string => words.map(word).join(' ')

/**
 * The part of a unit's name that a certificate's name makes: what may not stand in a unit's name (of the legal ones that is
 * `+` alone) is escaped as systemd-escape(1) does it, and as systemctl does with an argument, so that
 * `systemctl start acme-a+b` finds it. So is a first `@` at the end, which would make a template of the unit.
 */
export const unitPart = (cert: string): string =>
  cert.replace(/[^A-Za-z0-9:_.@-]|(?<=^[^@]*)@$/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)

/** A path in tmpfiles.d(5) or sysusers.d(5), where backslashes and quotes escape as in C. */
export const configField = (text: string): string => quoted(text, /^[A-Za-z0-9%@_+=:,./-]+$/)
