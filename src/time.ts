// Instants in words, always UTC.

/** "2026-12-01T04:05Z" */
export const isoMinute = (date: Date): string => `${date.toISOString().slice(0, 16)}Z`

/** "2026-12-01" */
export const isoDay = (date: Date): string => date.toISOString().slice(0, 10)
