// What apply is about to change, as people read it: a line for each certificate, one for each file of the machine.
import { under } from '../fs.ts'
import type { Host } from '../host.ts'
import type { JobChange, JobChanges } from '../job/changes.ts'
import { paintFor } from '../log.ts'
import type { FileChange } from '../systemd/changes.ts'
import { type SystemFile, unitsOf } from '../systemd/machine.ts'

export interface Shown {
  readonly jobChanges: JobChanges
  readonly files: readonly SystemFile[]
  readonly fileChanges: ReadonlyMap<string, FileChange>
  /** Where the certificates are. */
  readonly stateRoot: string
}

type Change = FileChange
const changes: readonly Change[] = ['added', 'changed', 'removed', 'unchanged']
const signs: Record<Change, string> = { added: '+', changed: '~', removed: '-', unchanged: ' ' }

interface Row {
  readonly change: Change
  readonly cert: string
  /** What of a changed one: `certificate`, `lock slot`, `timer`… */
  readonly parts: readonly string[]
}

/** From here on certificates with the same small changes share a line: one more certificate moves the slots of many. */
const fewest = 4

/** Prints the difference, and gives the line that sums it up, for when it is written. */
export async function showChanges(shown: Shown, host: Host): Promise<string> {
  const paint = await paintFor(host, host.stdout)
  const colour = { added: paint.green, changed: paint.yellow, removed: paint.red, unchanged: paint.dim }
  const say = (change: Change, what: string) => host.stdout.write(`${colour[change](`${signs[change]} ${what}`)}\n`)
  const rows = rowsOf(shown)
  const alike = groupBy(
    rows.filter(({ change }) => change === 'changed'),
    wordsOf,
  )
  for (const row of rows) {
    const same = (row.change === 'changed' && alike.get(wordsOf(row))) || [row]
    if (row.change === 'unchanged' || (same.length >= fewest && same[0] !== row)) continue
    if (same.length >= fewest) say('changed', `${same.length} certificates${wordsOf(row)}`)
    else say(row.change, `${row.cert}${row.change === 'removed' ? stays(shown.stateRoot, row.cert) : wordsOf(row)}`)
  }
  for (const [path, change] of machineChanges(shown)) say(change, path)
  const count = (change: Change) => rows.filter((row) => row.change === change).length
  return `${changes.map((change) => `${count(change)} ${change}`).join(', ')}\n`
}

const jobParts: Partial<Record<JobChange, string>> = { changed: 'certificate', moved: 'lock slot' }

/** What of it changed; nothing where that is the certificate's own options alone. */
const wordsOf = ({ change, parts }: Row): string => {
  const says = change === 'changed' && parts.join() !== jobParts.changed
  return says ? `: ${parts.join(', ')}` : ''
}

const stays = (stateRoot: string, cert: string): string =>
  ` (its certificate and keys stay in '${under(stateRoot, cert)}')`

function rowsOf({ jobChanges, files, fileChanges }: Shown): Row[] {
  const changedFiles = groupBy(
    files.filter(({ path }) => fileChanges.get(path) !== 'unchanged'),
    ({ cert }) => cert,
  )
  return [...jobChanges.kinds].map(([cert, kind]) => rowOf(cert, kind, changedFiles.get(cert) ?? []))
}

function rowOf(cert: string, kind: JobChange, own: readonly SystemFile[]): Row {
  if (kind === 'added' || kind === 'removed') return { change: kind, cert, parts: [] }
  const job = jobParts[kind]
  const parts = [...(job === undefined ? [] : [job]), ...own.map(({ part }) => part)]
  return { change: parts.length > 0 ? 'changed' : 'unchanged', cert, parts }
}

/** Lists of what has the same key, in their order. */
function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

/** The files that are of no certificate that the config has, or had. */
function machineChanges({ files, fileChanges, jobChanges }: Shown): [string, Change][] {
  const ofCertificates = new Set([
    ...files.filter(({ cert }) => cert !== undefined).map(({ path }) => path),
    ...[...jobChanges.kinds.keys()].flatMap(unitsOf),
  ])
  return [...fileChanges].filter(([path, change]) => change !== 'unchanged' && !ofCertificates.has(path))
}
