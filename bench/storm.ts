// A boot storm: all renewals of a machine started at once by a real systemd, booted in namespaces, with Pebble inside.
import { join } from 'node:path'
import { bootCommand, installPacked } from '../test/boot/boots.ts'
import { repository, run } from '../test/support/process.ts'
import { fixed, type Line, mib, seconds } from './table.ts'

/** What storm.inside.ts prints. */
export interface Storm {
  readonly due: Measured
  readonly notDue: Measured
  /** Orders under way at once, the most of all moments. */
  readonly overlap: number
}

interface Measured {
  /** Milliseconds until the last unit has ended. */
  readonly wall: number
  /** Bytes of all processes in acme.slice, the most of all moments. */
  readonly memory: number
  readonly processes: number
  /** Units. */
  readonly failed: number
}

const slots = 5

export async function measureStorm(scratch: string, count: number): Promise<Line[]> {
  await installPacked(scratch)
  const inner = ['--import', 'tsx', join(repository, 'bench', 'storm.inside.ts'), String(count), String(slots)]
  const [script, args] = bootCommand({ program: scratch, seconds: 900 }, inner)
  const { status, stdout, stderr } = await run(script, args, { cwd: repository, timeoutMs: 960_000 })
  if (status !== 0) throw new Error(`the booted machine ended with status ${status}: ${stderr.slice(-500)}`)
  const { due, notDue, overlap }: Storm = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  const memory = ({ memory: bytes, processes }: Measured) => `${mib(bytes / 1024)} in ${processes} processes`
  const failed = due.failed + notDue.failed
  const what = `${count} units started at once by systemd`
  return [
    { what: `${what}, all due, ${slots} slots`, found: seconds(due.wall), note: `at most ${memory(due)}` },
    { what: `${what}, nothing due`, found: seconds(notDue.wall), note: `at most ${memory(notDue)}` },
    {
      what: `${what}: orders at once`,
      found: fixed(overlap, 0),
      target: `at most ${slots}`,
      isMet: overlap <= slots,
      note: "Pebble's log",
    },
    { what: `${what}: failed units`, found: fixed(failed, 0), target: '0', isMet: failed === 0, note: 'both storms' },
  ]
}
