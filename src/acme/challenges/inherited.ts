// Sockets that a service manager has opened for this process (sd_listen_fds(3)): listening on port 80 then needs no right.
import { NixacmeError } from '../../errors.ts'
import type { Host } from '../../host.ts'
import type { ListenKind } from './shared-answers.ts'

/** The first one (SD_LISTEN_FDS_START). */
const firstFd = 3
/** More than any unit has a reason to pass. */
const mostFds = 64

/** Names that socket units give: FileDescriptorName=, by default the unit's own name. */
const namesOf = (kind: ListenKind): readonly string[] => [kind, `acme-${kind}.socket`]

const other = { http: 'tls', tls: 'http' } as const

/**
 * The file descriptors for one kind of challenge: those named after it, and those that no other kind is named in. Empty where
 * there are none for this process. Throws `config` (78) where the variables are damaged.
 */
export function inheritedSockets({ env, pid }: Pick<Host, 'env' | 'pid'>, kind: ListenKind): readonly number[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = env
  if (LISTEN_PID === undefined || LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return []
  const count = /^\d{1,3}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : Number.NaN
  if (!(count <= mostFds))
    throw new NixacmeError('config', `LISTEN_FDS is '${LISTEN_FDS.slice(0, 40)}', expected a number up to ${mostFds}`)
  const names = LISTEN_FDNAMES.split(':')
  const isOther = (i: number) => namesOf(other[kind]).includes(names[i] ?? '')
  return Array.from({ length: count }, (_, i) => i).flatMap((i) => (isOther(i) ? [] : [firstFd + i]))
}
