// Instants in words, always UTC. (toISOString looks up the machine's time zone first, which takes a run with nothing to do as
// long as reading all of its state.)

const two = (n: number): string => String(n).padStart(2, '0')

/** "2026-12-01" */
export const isoDay = (date: Date): string =>
  `${String(date.getUTCFullYear()).padStart(4, '0')}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`

/** "2026-12-01T04:05Z" */
export const isoMinute = (date: Date): string =>
  `${isoDay(date)}T${two(date.getUTCHours())}:${two(date.getUTCMinutes())}Z`
