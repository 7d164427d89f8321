// `nixacme start-due`: starts the renewals that poll has marked. What stands in the folder of the marks was written by user
// acme, so root takes nothing from there but names, and of these only certificates that the config has.
import { NixacmeError, readError, systemWord, writeError } from '../errors.ts'
import { manifestPath, readManifest } from '../job/manifest.ts'
import { defaultRoots, dueDir } from '../job/paths.ts'
import { assertTrustedFile } from '../job/trust.ts'
import { holdIn, holdRoot, type Inode, letGo, namesIn, removeIn } from '../renewal/inode.ts'
import { isBooted, SystemControl } from '../systemd/control.ts'
import { renewalService } from '../systemd/names.ts'
import { type Context, findJobs } from './context.ts'
import { renewCommand } from './renew.ts'

/** Names looked at in one run, besides those that can be meant: whoever writes more there is after something else. */
const mostStrangers = 1000
/** Units in one call of systemctl: its command line has an end. */
const mostAtOnce = 500

/**
 * The command. Silent where nothing is marked. With systemd the units are started, which is not waited for; without it the
 * renewals are done here. Throws `permission` (77), `data` (65) or `write` (73), and what `renew` throws.
 */
export async function startDue(context: Context): Promise<number> {
  const { log, roots } = context
  const folder = dueDir(roots)
  const held = hold(folder)
  if (!held) return 0
  let certs: string[]
  try {
    if (isEmpty(held)) return 0
    certs = takeMarked(held, await knownCerts(context), context)
  } catch (e) {
    throw e instanceof NixacmeError ? e : writeError(folder, e)
  } finally {
    letGo(held)
  }
  if (certs.length === 0) return 0
  const isOfMachine = roots.state === defaultRoots.state && roots.jobs === defaultRoots.jobs
  if (!isBooted() || !isOfMachine)
    return renewCommand(certs, { atOnce: false, dryRun: false, patience: undefined, json: false }, context)
  log.info(
    `starting ${certs
      .map((cert) => `'${cert}'`)
      .join(', ')
      .slice(0, 2000)}`,
  )
  const control = new SystemControl(context.host)
  for (let i = 0; i < certs.length; i += mostAtOnce)
    await control.run('systemctl', '--no-block', 'start', '--', ...certs.slice(i, i + mostAtOnce).map(renewalService))
  return 0
}

function hold(folder: string): Inode | undefined {
  try {
    return holdRoot(folder)
  } catch (e) {
    throw readError(folder, e)
  }
}

function isEmpty(folder: Inode): boolean {
  // Looked into no further, and closed all the same.
  for (const _ of namesIn(folder)) return false
  return true
}

/** All certificates that there can be a renewal of. */
async function knownCerts(context: Context): Promise<Set<string>> {
  const { host, roots } = context
  if (host.identity.uid === 0) assertTrustedFile(manifestPath(roots), 0, 'the list of jobs')
  return new Set(readManifest(roots) ?? (await findJobs(context, 'all')).jobs.map(({ cert }) => cert))
}

/** Removes the marks, and gives the certificates that they name. What is no mark is told, and removed where that can be. */
function takeMarked(folder: Inode, known: ReadonlySet<string>, { log }: Context): string[] {
  const certs: string[] = []
  const strangers: string[] = []
  let stuck: string | undefined
  for (const bytes of namesIn(folder)) {
    const name = bytes.toString()
    const isMark = known.has(name) && isPlainFile(folder, bytes)
    if (isMark) certs.push(name)
    else strangers.push(name)
    try {
      removeIn(folder, bytes)
    } catch (e) {
      stuck ??= `'${name.slice(0, 100)}': ${systemWord(e)}`
    }
    if (strangers.length >= mostStrangers) break
  }
  if (strangers.length > 0)
    log.warning(
      `'${folder.name}' held ${strangers.length === 1 ? 'a name' : `${strangers.length} names`} of no certificate, such as '${strangers[0]?.slice(0, 100)}'`,
      ['it has been taken out of the config meanwhile, or something else than nixacme writes there'],
    )
  if (stuck !== undefined) log.warning(`cannot remove ${stuck}`, [`look at it, and remove it from '${folder.name}'`])
  return certs.sort()
}

function isPlainFile(folder: Inode, name: Buffer): boolean {
  const inode = holdIn(folder, name)
  try {
    return inode?.stat.isFile() === true
  } finally {
    letGo(inode)
  }
}
