// The local CA on disk, `<state>/.minica/{key,cert}.pem`: taken as it is where there is one, NixOS's minica's too, and made
// where there is none. Both files appear or none: a kill leaves at most a whole pair in `.pending`, which the next run
// moves into place.
import * as fs from 'node:fs'
import { basename } from 'node:path'
import { flawOfLocalCa, type LocalCa } from '../certificate/local-ca-check.ts'
import { NixacmeError, writeError } from '../errors.ts'
import { orAbsent, readTextIfThere, removeTemporaries, syncDir, temporaryName, under, writeNew } from '../fs.ts'
import type { Host } from '../host.ts'
import { type LocalCaPaths, localCaPaths, type Roots } from '../job/paths.ts'
import type { Log } from '../log.ts'
import { tryFolder, waitFor } from './lock.ts'
import { makeFolder } from './store.ts'

/** Modes of contract 1.6; the state root's is for everybody to pass through. */
const stateMode = 0o755
const folderMode = 0o750
const fileMode = 0o600

/** Seconds: a CA is made in less than one. */
const patience = 60

export interface LocalCaTools {
  readonly roots: Roots
  readonly host: Pick<Host, 'interrupted' | 'now'>
  readonly log: Log
  /** Group of the CA's folder, user acme's own; undefined: what the system gives. */
  readonly gid: number | undefined
  /** The instant that the CA is judged at, or begins at. */
  readonly now: Date
}

const pendingDir = ({ folder }: LocalCaPaths): string => under(folder, '.pending')

const readText = (path: string): string | undefined => readTextIfThere(path, ["run as root or as user 'acme'"])

/** The certificate of the CA as it stands there, or undefined. Throws `permission` (77) or `data` (65). */
export const readLocalCaCertificate = (roots: Roots): string | undefined => readText(localCaPaths(roots).certificate)

/**
 * The local CA; made if it is missing, under a lock. Throws `data` (65) for one of which a part is missing or that cannot
 * issue, `write` (73) or `permission` (77), `later` (75) when another run does not finish making it.
 */
export async function ensureLocalCa(tools: LocalCaTools): Promise<LocalCa> {
  const paths = localCaPaths(tools.roots)
  const there = readPair(paths)
  if (there.key !== undefined && there.certificate !== undefined) {
    removeEmptied(pendingDir(paths))
    return checked(paths, there, tools.now)
  }
  makeFolders(tools, paths)
  const lock = await waitFor(() => tryFolder(paths.folder), {
    seconds: patience,
    signal: tools.host.interrupted,
    now: tools.host.now,
    what: 'the other run that makes the local CA',
    onWait: () => tools.log.waiting('waiting: another run makes the local CA'),
  })
  try {
    return await makeUnderLock(tools, paths)
  } finally {
    lock.release()
  }
}

type Pair = Partial<LocalCa>

function readPair(paths: LocalCaPaths): Pair {
  const [key, certificate] = [readText(paths.key), readText(paths.certificate)]
  return { ...(key !== undefined && { key }), ...(certificate !== undefined && { certificate }) }
}

function makeFolders({ roots, gid }: LocalCaTools, { folder }: LocalCaPaths): void {
  makeFolder(roots.state, { mode: stateMode })
  makeFolder(folder, { mode: folderMode, gid })
}

async function makeUnderLock({ log, now }: LocalCaTools, paths: LocalCaPaths): Promise<LocalCa> {
  try {
    settle(paths)
    const there = readPair(paths)
    if (there.key !== undefined || there.certificate !== undefined) return checked(paths, there, now)
    const { makeLocalCa } = await import('../certificate/local-ca.ts')
    const ca = await makeLocalCa(now)
    store(paths, ca)
    log.notice(`made a local CA for self-signed certificates in '${paths.folder}'`)
    return ca
  } catch (e) {
    throw writeError(paths.folder, e)
  }
}

/** The pair, when it is one that can issue. */
function checked({ folder, key, certificate }: LocalCaPaths, pair: Pair, now: Date): LocalCa {
  const another = `or move '${folder}' away: the next run makes another CA, and new self-signed certificates with it`
  if (pair.key === undefined || pair.certificate === undefined) {
    const [lost, left] = pair.key === undefined ? [key, certificate] : [certificate, key]
    throw new NixacmeError('data', `the local CA is not whole: '${left}' is there, '${lost}' is not`, {
      hints: [`put '${lost}' back`, another],
    })
  }
  const ca = { key: pair.key, certificate: pair.certificate }
  const flaw = flawOfLocalCa(ca, now)
  if (flaw === undefined) return ca
  throw new NixacmeError('data', `the local CA in '${folder}' cannot be used: ${flaw}`, {
    hints: ['put the pair that belongs together back', another],
  })
}

function store(paths: LocalCaPaths, { key, certificate }: LocalCa): void {
  const temporary = temporaryName(paths.folder, 'ca')
  try {
    fs.mkdirSync(temporary, { mode: 0o700 })
    writeNew(under(temporary, basename(paths.key)), key, { mode: fileMode })
    writeNew(under(temporary, basename(paths.certificate)), certificate, { mode: fileMode })
    syncDir(temporary)
    fs.renameSync(temporary, pendingDir(paths))
  } catch (e) {
    fs.rmSync(temporary, { recursive: true, force: true })
    throw e
  }
  syncDir(paths.folder)
  settle(paths)
}

/** Moves a pending pair into place. The key last: that it is there tells units and minica that there is a CA. */
function settle(paths: LocalCaPaths): void {
  removeTemporaries(paths.folder)
  const pending = pendingDir(paths)
  if (!fs.existsSync(pending)) return
  for (const path of [paths.certificate, paths.key]) orAbsent(() => fs.renameSync(under(pending, basename(path)), path))
  syncDir(paths.folder)
  removeEmptied(pending)
}

/** What a kill left when both files had been moved. It is in nobody's way, so where it may not be removed it stays. */
function removeEmptied(pending: string): void {
  try {
    if (fs.existsSync(pending)) fs.rmdirSync(pending)
  } catch {
    // As said above.
  }
}
