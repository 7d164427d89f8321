// The result: a line for each figure, its target beside it. Wide enough for the words, no wider.

export interface Line {
  /** What was measured, e.g. "nothing due, against bare node 22". */
  readonly what: string
  /** As text with its unit. */
  readonly found: string
  /** `at most 1.25`; absent: for information. */
  readonly target?: string
  readonly isMet?: boolean
  /** What the figure was made of. */
  readonly note: string
}

export const fixed = (value: number, digits: number): string => value.toFixed(digits)

export const ms = (value: number): string => `${fixed(value, value < 10 ? 1 : 0)} ms`

export const mib = (kilobytes: number): string => `${fixed(kilobytes / 1024, 1)} MiB`

export const seconds = (value: number): string => `${fixed(value / 1000, 2)} s`

export function render(lines: readonly Line[]): string {
  const head = ['WHAT', 'FOUND', 'TARGET', '', 'FROM']
  const rows = lines.map(({ what, found, target, isMet, note }) => [
    what,
    found,
    target ?? '-',
    isMet === undefined ? '' : isMet ? 'ok' : 'missed',
    note,
  ])
  const all = [head, ...rows]
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  return all
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
