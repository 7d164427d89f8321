// Where a certificate's work finds its credentials: in the environment, as systemd or a person gives it, and for runs
// that systemd did not start in the files of `environmentFile` and `credentialFiles`, which are read here. What is found
// is handed on to that one certificate's work, and is never part of a message.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { type ErrorKind, hasCode, NixacmeError, systemWord } from '../errors.ts'
import type { Host } from '../host.ts'
import { credentialIds, isEncrypted } from './credential-files.ts'
import { parseEnvironmentFile } from './environment-file.ts'
import type { Job } from './job.ts'
import { assertTrustedFile } from './trust.ts'

/**
 * The value of a variable: of `NAME` itself, else the trimmed content of the file that `NAME_FILE` names (as lego has it).
 * Undefined where neither is set, or it is empty. Throws `config` (78) or `permission` (77) for files that cannot be read.
 */
export type Variables = (name: string) => string | undefined

/** What the files of one job say; or why that is not known, to be told when a variable is wanted. Survives JSON. */
export type Secrets =
  | {
      readonly variables: Readonly<Record<string, string>>
      /** Contents of files by the variable that names them. */
      readonly files: Readonly<Record<string, string>>
    }
  | { readonly fault: { readonly kind: ErrorKind; readonly message: string; readonly hints: readonly string[] } }

export const noSecrets: Secrets = { variables: {}, files: {} }

/** Bytes: what systemd takes as a credential. */
const largest = 1024 * 1024
/** Seconds for a decryption; a TPM takes one or two. */
const decryptionSeconds = 60

/** True in the units that nixacme makes: systemd has read the files and handed them over. */
const isUnit = ({ env }: Pick<Host, 'env'>): boolean => env['STATE_DIRECTORY'] !== undefined

type Reading = Pick<Host, 'env' | 'identity' | 'interrupted'>

/**
 * Reads the files of jobs as the user of this process, who must be the only one besides root that can bend them; what is
 * encrypted is decrypted once for all. Never throws for what the files are: a run with nothing to do needs none of them.
 */
export function secretReader(
  host: Reading,
): (job: Pick<Job, 'environmentFile' | 'credentialFiles'>) => Promise<Secrets> {
  const decryptedOnes = new Map<string, Promise<string>>()
  const decrypt = (path: string, id: string, what: string) => {
    const known = decryptedOnes.get(`${id}:${path}`) ?? decrypted(path, id, what, host)
    decryptedOnes.set(`${id}:${path}`, known)
    return known
  }
  return async ({ environmentFile, credentialFiles }) => {
    const entries = Object.entries(credentialFiles)
    if ((environmentFile === null && entries.length === 0) || isUnit(host)) return noSecrets
    try {
      const text = environmentFile === null ? '' : readTrusted(environmentFile, 'environmentFile', host)
      const ids = credentialIds(Object.keys(credentialFiles))
      const files: Record<string, string> = {}
      for (const [variable, path] of entries) {
        const what = `the file of '${variable}'`
        const id = ids.get(variable) ?? variable
        files[variable] = isEncrypted(path) ? await decrypt(path, id, what) : readTrusted(path, what, host)
      }
      return { variables: parseEnvironmentFile(text), files }
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      return { fault: { kind: e.kind, message: e.message, hints: e.hints } }
    }
  }
}

function readTrusted(path: string, what: string, { identity }: Pick<Host, 'identity'>): string {
  assertTrustedFile(path, identity.uid, what)
  return readSmall(path, what)
}

/** The text of a regular file; never waits for a pipe. `what` begins the sentence. */
function readSmall(path: string, what: string): string {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = fstatSync(fd)
      if (!stat.isFile()) throw new NixacmeError('config', `${what}, '${path}', is not a regular file`)
      if (stat.size > largest) throw new NixacmeError('config', `${what}, '${path}', has more than ${largest} bytes`)
      return readFileSync(fd, 'utf8')
    } finally {
      closeSync(fd)
    }
  } catch (cause) {
    if (cause instanceof NixacmeError) throw cause
    const kind = hasCode(cause, 'EACCES', 'EPERM') ? 'permission' : 'config'
    throw new NixacmeError(kind, `cannot read ${what}, '${path}': ${systemWord(cause)}`, {
      hints: kind === 'permission' ? ['run as root, or give this user access to it'] : ["see 'nixacme-config(5)'"],
    })
  }
}

/** What systemd-creds(1) makes of an encrypted file: by root alone as a rule, since the machine's key is root's. */
async function decrypted(path: string, id: string, what: string, host: Reading): Promise<string> {
  assertTrustedFile(path, host.identity.uid, what)
  const { runProgram } = await import('../process.ts')
  const { status, failure, stdout } = await runProgram('systemd-creds', ['decrypt', `--name=${id}`, path, '-'], {
    env: { PATH: host.env['PATH'] },
    stdout: 'capture',
    seconds: decryptionSeconds,
    signal: host.interrupted,
  })
  if (status === 0) return stdout
  throw new NixacmeError('config', `${what}, '${path}', cannot be decrypted: systemd-creds ${failure}`, {
    hints: [
      `try it: systemd-creds decrypt --name=${id} '${path}' -`,
      'as root, on the machine where it was encrypted; the unit can do without systemd-creds',
    ],
  })
}

/** The lookup for one job. What its files say goes before the environment, as in a unit. */
export function variablesOf(secrets: Secrets, { env }: Pick<Host, 'env'>): Variables {
  return (name) => {
    if ('fault' in secrets) {
      const { kind, message, hints } = secrets.fault
      throw new NixacmeError(kind, message, { hints })
    }
    const variable = `${name}_FILE`
    const named = (path: string | undefined) => path && readSmall(path, `the file that '${variable}' names`).trim()
    return (
      secrets.variables[name] ||
      named(secrets.variables[variable]) ||
      secrets.files[variable]?.trim() ||
      env[name] ||
      named(env[variable]) ||
      undefined
    )
  }
}

/** What systemd.exec(5) and nixacme's own units put into a unit's environment. */
const ofTheUnit =
  /^(PATH|LANG|LC_.*|LANGUAGE|USER|LOGNAME|HOME|SHELL|TERM|PWD|OLDPWD|SHLVL|_|MAINPID|MANAGERPID|.*_DIRECTORY|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|FDSTORE|SYSTEMD_.*|MEMORY_PRESSURE_.*|LISTEN_.*|WATCHDOG_.*|EXIT_.*|SERVICE_RESULT|MONITOR_.*|NODE_.*|NIXACME_.*)$/

/**
 * All variables that one job's files set, for programs that look for theirs themselves: those of `environmentFile` as they
 * are, and NAME for each NAME_FILE of `credentialFiles`. Of the environment outside of a unit nothing. Throws as the lookup does.
 */
export function credentialsOf(secrets: Secrets, host: Pick<Host, 'env'>): Readonly<Record<string, string>> {
  const lookUp = variablesOf(secrets, host)
  lookUp('')
  if ('fault' in secrets) return {}
  const inUnit = isUnit(host) ? Object.keys(host.env).filter((name) => !ofTheUnit.test(name)) : []
  const folder = host.env['CREDENTIALS_DIRECTORY']
  const isCredential = (name: string) => folder !== undefined && host.env[name]?.startsWith(`${folder}/`)
  const names = [...Object.keys(secrets.variables), ...Object.keys(secrets.files), ...inUnit]
  const plain = names.map((name) => (name in secrets.files || isCredential(name) ? name.replace(/_FILE$/, '') : name))
  const found: Record<string, string> = {}
  for (const name of plain) {
    const value = lookUp(name)
    if (value !== undefined) found[name] = value
  }
  return found
}
