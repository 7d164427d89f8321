// How every unit begins: what it is, and where to read of it.
import { type Line, plain, type Section } from './text.ts'

const documentation: Line = ['Documentation', 'man:nixacme-systemd(7) man:nixacme(1)']

export const unitSection = (description: string, lines: readonly Line[]): Section => ({
  name: 'Unit',
  lines: [['Description', plain(description)], documentation, ...lines],
})

/** Admins, apply and the slice's queue may start it as often as they like: a start with nothing to do costs nothing. */
export const startsWithoutLimit: Line = ['StartLimitIntervalSec', '0']
