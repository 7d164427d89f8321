// What the two halves of the reboot test share.
import { utimesSync } from 'node:fs'
import { ok } from './machine.ts'

/** Its timer was missed while the machine was off. */
export const prompt = 'prompt.example'
/** Its timer is not due. */
export const late = 'late.example'

/** The file whose date tells systemd when a persistent timer has fired last (systemd.timer(5)). */
const stamp = (cert: string): string => `/var/lib/systemd/timers/stamp-acme-${cert}.timer`

/** As if the timer had fired last two years ago. */
export async function makeOverdue(cert: string): Promise<void> {
  const then = new Date(Date.now() - 2 * 365 * 86_400_000)
  await ok('touch', stamp(cert))
  utimesSync(stamp(cert), then, then)
}
