// Whose files a certificate's are: user `acme` and the certificate's group on a machine that has them, the caller's own
// where an unprivileged user keeps a state of his own.
import { NixacmeError } from '../errors.ts'
import type { Host } from '../host.ts'
import type { Job } from '../job/job.ts'
import { groupId, systemUser } from '../system-users.ts'

/** The system user that does the work. */
export const acmeUser = 'acme'
const defaultGroup = 'acme'

export interface Owner {
  /** Numeric group; undefined: whatever the system gives. */
  readonly gid: number | undefined
  /** Why the wanted group cannot be had: to be thrown before anything is done for the certificate. */
  readonly fault: NixacmeError | undefined
}

/** Looks up the groups of jobs, each once. */
export function ownerFinder(host: Host): (job: Job) => Promise<Owner> {
  const known = new Map<string, Promise<Owner>>()
  return (job) => {
    const owner = known.get(job.group) ?? groupId(job.group).then((gid) => ownerOf(job.group, gid, host))
    known.set(job.group, owner)
    return owner
  }
}

/** The owner, once the numeric id of the group is known (undefined: there is no such group). */
export function ownerOf(group: string, gid: number | undefined, host: Host): Owner {
  const { uid, gid: own, groups } = host.identity
  if (gid !== undefined && (uid === 0 || gid === own || groups.includes(gid))) return { gid, fault: undefined }
  // An unprivileged user with a state of his own: the default group means nothing to him.
  if (group === defaultGroup && uid !== 0) return { gid: undefined, fault: undefined }
  const fault =
    gid === undefined
      ? noSuchGroup(group)
      : new NixacmeError(
          'permission',
          `files cannot be given to the group '${group}': this process is no member of it`,
          {
            hints: ['run as root, or add the user to the group'],
          },
        )
  return { gid: undefined, fault }
}

/** `config` (78): a certificate's group that the system does not know. */
export const noSuchGroup = (group: string): NixacmeError =>
  new NixacmeError('config', `the group '${group}' does not exist`, {
    hints: [`make it ('groupadd --system ${group}') or set 'group' to one that exists`],
  })

/** Whether this process runs as user `acme`, who works but runs no hooks: what it works for, a unit or root, does that. */
export async function isAcme({ identity: { uid } }: Host): Promise<boolean> {
  return uid !== 0 && uid === (await systemUser(acmeUser))?.uid
}

/** User `acme`. Throws `config` (78) when there is none. */
export async function findAcmeUser(): Promise<{ uid: number; gid: number }> {
  const user = await systemUser(acmeUser)
  if (user) return user
  throw new NixacmeError('config', `the user '${acmeUser}' does not exist`, {
    hints: [
      `make it: useradd --system --home-dir /var/lib/acme --shell /usr/sbin/nologin --user-group ${acmeUser}`,
      "or set 'useRoot = true', or run as another user with --state-dir and --runtime-dir",
    ],
  })
}
