// Brings owner, group and mode of the state in order (contract 1.6, 1.9: acme-fixperms): after a copy by root, a change of
// a certificate's `group`, a restored backup. Silent where all is right. The unit runs it as user acme without any
// privilege: owners are systemd's matter there, and files of others are told. Root, by hand or in apply, mends those too, and
// keeps the folders that all certificates share for itself: a link that acme could put there would lead systemd astray.
import { basename } from 'node:path'
import { NixacmeError, writeError } from '../errors.ts'
import { lstatIfThere, readIfThere, under } from '../fs.ts'
import { type Job, pathsOf } from '../job/job.ts'
import { renewalInfoDir } from '../job/paths.ts'
import { holdRoot, type Inode, letGo } from '../renewal/inode.ts'
import { Findings, mend, mendBelow, mendFolder, type Rule, type Walker } from '../renewal/ownership.ts'
import { groupId, systemUser } from '../system-users.ts'
import { interruptedError } from '../wait.ts'
import { type Context, type Found, findJobs, sayFaults } from './context.ts'
import { acmeUser, findAcmeUser, noSuchGroup, ownerFinder } from './owner.ts'

/** Whose the files are to be: group undefined, as it is. */
interface Owner {
  readonly uid: number
  readonly gid: number | undefined
}

/**
 * The command; `apply` hands over the jobs that it has just written. Gives the status of the first job that cannot be
 * read, or certificate whose files cannot be mended; what the system refuses is a warning. Throws `later` (75) when a
 * signal comes, `config` (78) when there is no user acme.
 */
export async function fixPermissions(context: Context, jobs?: Found): Promise<number> {
  const { host, roots } = context
  const found = jobs ?? (await findJobs(context, 'all'))
  let status = sayFaults(found, context)
  const [first] = found.jobs
  if (!first) return status
  const owner = await ownerOf(first, context)
  const groupOf = groupFinder(owner, context)
  const walker: Walker = { findings: new Findings(), self: host.identity }
  const open: (Inode | undefined)[] = []
  const keep = (inode: Inode | undefined): Inode | undefined => {
    open.push(inode)
    return inode
  }
  try {
    const state = keep(holdRoot(roots.state))
    if (!state) return status
    const ruleOf = sharedRule(owner, walker.self.uid)
    mend(state, ruleOf(roots.state), walker)
    const lego = keep(mendFolder(state, '.lego', ruleOf(under(roots.state, '.lego')), walker))
    if (lego) mendAccounts(lego, owner, ruleOf(under(roots.state, '.lego', 'accounts')), walker)
    mendTree(state, basename(renewalInfoDir(roots)), renewalInfoRules(owner), walker)
    mendTree(state, '.minica', [{ ...owner, folder: 0o750, file: 0o600 }, closed(owner)], walker)
    for (const job of found.jobs) {
      // Between two certificates a signal is heard.
      await new Promise(setImmediate)
      if (host.interrupted.aborted) throw interruptedError(host.interrupted)
      status = (await mendCertificate(job, [state, lego], groupOf, walker, context)) || status
    }
  } catch (e) {
    throw e instanceof NixacmeError ? e : writeError(roots.state, e)
  } finally {
    for (const inode of open) letGo(inode)
    tellFindings(walker.findings, context)
  }
  return status
}

/**
 * The folders that all certificates share: everybody may look. They are root's where root sets up; without root's rights
 * those that are root's already are right, and the others stay the caller's.
 */
const sharedRule =
  (owner: Owner, self: number) =>
  (path: string): Rule => {
    const isRoots = self === 0 || lstatIfThere(path)?.uid === 0
    return { ...(isRoots ? { uid: 0, gid: 0 } : owner), folder: 0o755, file: 0o640 }
  }

/** The files in it have the group of whoever wrote last: the poller, or a renewal of some group. */
const renewalInfoRules = (owner: Owner): [Rule, Rule] => {
  const rule = { ...owner, folder: 0o750, file: 0o640 }
  return [rule, { ...rule, gid: undefined }]
}

/** Nobody but the owner: `u=rwX,g=,o=`. */
const closed = ({ uid }: Owner): Rule => ({ uid, gid: undefined, folder: 0o700, file: 0o600 })

/** Mends a folder and all below it: the first rule for itself, the others for what is in it. */
function mendTree(parent: Inode, name: string, [own, ...rules]: readonly [Rule, ...Rule[]], walker: Walker): void {
  const folder = mendFolder(parent, name, own, walker)
  if (!folder) return
  const [next = own, ...more] = rules
  try {
    mendBelow(folder, [next, ...more], walker)
  } finally {
    letGo(folder)
  }
}

/** The folders of the accounts let in a group (that of the unit started last, contract 1.6), what is in them nobody. */
const mendAccounts = (lego: Inode, owner: Owner, shared: Rule, walker: Walker): void =>
  mendTree(lego, 'accounts', [shared, { ...closed(owner), folder: 0o750 }, closed(owner)], walker)

/** Mends both folders of a certificate. Gives the status of what hinders it, once it is said. */
async function mendCertificate(
  job: Job,
  parents: readonly (Inode | undefined)[],
  groupOf: (job: Job) => Promise<Owner>,
  walker: Walker,
  { log, roots }: Context,
): Promise<number> {
  try {
    const owner = await groupOf(job)
    const rule: Rule = {
      ...owner,
      folder: 0o750,
      file: 0o640,
      // Keys under quarantine: nobody needs them.
      apart: { name: basename(pathsOf(roots, job).compromised), rule: closed(owner) },
    }
    for (const parent of parents) if (parent) mendTree(parent, job.cert, [rule], walker)
    return 0
  } catch (e) {
    const fault = writeError(under(roots.state, job.cert), e)
    log.about(job.cert).error(fault.message, fault.hints)
    return fault.exitStatus
  }
}

/** Who does the work: user acme, root under `useRoot`, or a user with a state of his own. */
async function ownerOf(job: Job, { host }: Context): Promise<Owner> {
  const { uid } = host.identity
  if (uid === 0) return job.useRoot ? { uid: 0, gid: undefined } : findAcmeUser()
  const acme = await systemUser(acmeUser)
  return acme?.uid === uid ? acme : { uid, gid: undefined }
}

/** The owner of a certificate's files. Throws `config` (78) for a group that the system does not know. */
function groupFinder(owner: Owner, { host, log }: Context): (job: Job) => Promise<Owner> {
  const { uid } = host.identity
  // The right to give files to any group: it is tried, not asked for.
  const mayGive = uid === 0 || owner.gid !== undefined
  const known = new Map<string, Promise<number | undefined>>()
  const lookUp = ownerFinder(host)
  return async (job) => {
    if (!mayGive) {
      const { gid, fault } = await lookUp(job)
      if (fault) log.about(job.cert).warning(`${fault.message}, ignoring`, fault.hints)
      return { uid: owner.uid, gid }
    }
    const gid = await (known.get(job.group) ?? known.set(job.group, groupId(job.group)).get(job.group))
    if (gid !== undefined) return { uid: owner.uid, gid }
    throw noSuchGroup(job.group)
  }
}

const files = (count: number): string => (count === 1 ? '1 file or folder' : `${count} files and folders`)

/** CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER (capabilities(7)): what makes root the one who may. */
const mendingRights = 0b1011n

/** Why root was refused: in a unit even he has no privilege. */
function rootsHint(): string {
  const [, effective] = /^CapEff:\s*([\da-f]+)$/m.exec(`${readIfThere('/proc/self/status') ?? ''}`) ?? []
  const isPlainUser = effective !== undefined && (BigInt(`0x${effective}`) & mendingRights) !== mendingRights
  return isPlainUser
    ? "here root lacks the capabilities for it, as in a unit: run 'nixacme fix-permissions' by hand"
    : 'is it immutable (lsattr), or on a file system without owners?'
}

function tellFindings({ mended, odd, refused }: Findings, { log, host, roots }: Context): void {
  if (odd.count > 0) {
    log.warning(`left ${files(odd.count)} in '${roots.state}' alone, such as ${odd.first}`, [
      'what is not a plain file or folder of its own does not belong there: look at it, and remove it',
    ])
  }
  if (refused.count > 0) {
    log.warning(
      `not allowed to mend ${files(refused.count)} in '${roots.state}', such as '${refused.first}', ignoring`,
      [host.identity.uid === 0 ? rootsHint() : 'run as root'],
    )
  }
  if (mended > 0) log.notice(`mended owner, group or mode of ${files(mended)} in '${roots.state}'`)
}
