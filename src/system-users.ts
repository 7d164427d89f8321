// Names of users and groups to numbers. Node asks the system only for its own; the two files answer nearly always, and
// getent(1) the rest (LDAP and the like).
import { readIfThere } from './fs.ts'

export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

type Ask = (database: 'passwd' | 'group', name: string) => Promise<string>

/** The fields of `name` in a colon-separated database. */
const find = (text: string, name: string): string[] | undefined =>
  text
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name)

const getent: Ask = async (database, name) => {
  const { runProgram } = await import('./process.ts')
  const { stdout } = await runProgram('getent', [database, name], {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdout: 'capture',
    seconds: 10,
    signal: new AbortController().signal,
  })
  return stdout
}

/** True when the system knows users or groups from elsewhere than the two files (nsswitch.conf(5)). */
const hasOtherSources = (database: 'passwd' | 'group'): boolean => {
  const line =
    (readIfThere('/etc/nsswitch.conf')?.toString() ?? '').match(new RegExp(`^${database}:(.*)$`, 'm'))?.[1] ?? ''
  return line.split(/\s+/).some((source) => /^[a-z]/.test(source) && !['files', 'compat', 'systemd'].includes(source))
}

const findLocally = (database: 'passwd' | 'group', name: string): string[] | undefined =>
  find(readIfThere(`/etc/${database}`)?.toString() ?? '', name)

async function lookUp(database: 'passwd' | 'group', name: string): Promise<string[] | undefined> {
  return (
    findLocally(database, name) ?? (hasOtherSources(database) ? find(await getent(database, name), name) : undefined)
  )
}

const gidOf = (fields: readonly string[] | undefined): number | undefined =>
  fields?.[2] === undefined ? undefined : Number(fields[2])

/** The numeric id of a group, or undefined when the system does not know it. */
export const groupId = async (name: string): Promise<number | undefined> => gidOf(await lookUp('group', name))

/** As `groupId`, from the file alone; `unsure` when only getent(1) could tell. */
export const localGroupId = (name: string): number | undefined | 'unsure' =>
  gidOf(findLocally('group', name)) ?? (hasOtherSources('group') ? 'unsure' : undefined)

/** A user's ids, or undefined when the system does not know him. */
export async function systemUser(name: string): Promise<SystemUser | undefined> {
  const fields = await lookUp('passwd', name)
  return fields?.[2] === undefined || fields[3] === undefined
    ? undefined
    : { uid: Number(fields[2]), gid: Number(fields[3]) }
}
