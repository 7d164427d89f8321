// What lego is started with: the credentials of its one certificate, and what it needs to find names, proxies and roots.
import { readFileSync } from 'node:fs'
import { NixacmeError, systemWord } from '../../errors.ts'
import { readTextIfThere, under, writeNew } from '../../fs.ts'
import type { Host } from '../../host.ts'
import type { Secrets } from '../../job/variables.ts'
import { printable } from '../../log.ts'

type Env = Host['env']

/** Of the caller's environment, for every start. */
const always = /^(PATH|LANG|LC_[A-Z]+|TZ|HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy|SSL_CERT_FILE|SSL_CERT_DIR)$/
/** lego's own variables that are no second way to say what its arguments say. */
const legoOwn = /^LEGO_(CA_|DISABLE_CNAME_SUPPORT$|EXPERIMENTAL_|DEBUG_)/
/** What the service manager and the shell put into a unit's environment, for nixacme or for nobody. */
const ofManager =
  /^(NOTIFY_SOCKET|JOURNAL_STREAM|INVOCATION_ID|SYSTEMD_\w+|MANAGERPID|MAINPID|WATCHDOG_\w+|LISTEN_\w+|CREDENTIALS_DIRECTORY|(STATE|RUNTIME|CACHE|LOGS|CONFIGURATION)_DIRECTORY|MEMORY_PRESSURE_\w+|NIXACME_\w+|NODE_\w+|LEGO_\w+|_|PWD|OLDPWD|SHLVL|TERM)$/
/** The user's, which programs read that providers come with. */
const ofUser = /^(HOME|USER|LOGNAME|SHELL)$/
/** Values that say how, not who: they may stand in a message. */
const harmless = /(TIMEOUT|INTERVAL|TTL|MODE|ZONE|ZONE_NAME|DOMAIN|NAMESERVER|REGION)$/

/** Characters: shorter ones would take half of the words out of a message. */
const shortestSecret = 4
const longestLine = 1000

export interface Outfit {
  readonly env: Readonly<Record<string, string>>
  /** A line of lego's as it may be shown: without what the credentials hold, on one line and bounded. */
  redacted(line: string): string
}

/** What asking lego for its help takes. */
export const bareEnvironment = (env: Env): Record<string, string> => pick(env, (name) => always.test(name))

export interface OutfitSources {
  readonly env: Env
  readonly secrets: Secrets
  /** Paths of PEM files, from the option `caCertificates`. */
  readonly caCertificates: readonly string[]
  /** A folder of lego's own, of mode 700: what only root could read goes there for it. */
  readonly folder: string
}

/**
 * In a unit systemd has made the environment, of the credentials and little else: all of it but the manager's own is passed
 * on. Elsewhere only what the files of `environmentFile` and `credentialFiles` say is. Throws `config` (78) for roots that
 * cannot be read, and what the secrets hold in place of values.
 */
export function outfitOf({ env, secrets, caCertificates, folder }: OutfitSources): Outfit {
  if ('fault' in secrets) throw new NixacmeError(secrets.fault.kind, secrets.fault.message, secrets.fault)
  const isUnit = env['STATE_DIRECTORY'] !== undefined
  const inUnit = isUnit ? pick(env, (name) => !always.test(name) && !ofManager.test(name)) : {}
  const files = Object.entries(secrets.files).map(([variable, content]) => {
    const path = under(folder, variable)
    writeNew(path, content, { mode: 0o600, isPassing: true })
    return [variable, path] as const
  })
  const credentials = {
    ...inUnit,
    ...pick(secrets.variables, (name) => !ofManager.test(name)),
    ...Object.fromEntries(files),
  }
  return {
    env: {
      ...bareEnvironment(env),
      ...pick(env, (name) => legoOwn.test(name)),
      ...credentials,
      ...roots(env, caCertificates, folder),
    },
    redacted: redactor(credentials),
  }
}

function pick(env: Env, wanted: (name: string) => boolean): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(entries.filter(([name]) => wanted(name)))
}

/** One file, whatever lego's version: older ones take only one. The machine's own roots count beside it. */
function roots(env: Env, caCertificates: readonly string[], folder: string): Record<string, string> {
  const named = (env['LEGO_CA_CERTIFICATES'] ?? '').split(':').filter((path) => path !== '')
  const paths = [...caCertificates, ...named]
  if (paths.length === 0) return {}
  const read = (path: string) => {
    try {
      return readFileSync(path, 'latin1')
    } catch (cause) {
      throw new NixacmeError('config', `cannot read '${path}' for the roots that lego trusts: ${systemWord(cause)}`, {
        cause,
      })
    }
  }
  const bundle = under(folder, 'roots.pem')
  writeNew(bundle, paths.map(read).join('\n'), { mode: 0o600, isPassing: true })
  return { LEGO_CA_CERTIFICATES: bundle, LEGO_CA_SYSTEM_CERT_POOL: env['LEGO_CA_SYSTEM_CERT_POOL'] ?? 'true' }
}

function redactor(credentials: Readonly<Record<string, string>>): Outfit['redacted'] {
  const secrets = Object.entries(credentials)
    .filter(([name]) => !ofUser.test(name) && !harmless.test(name))
    .flatMap(([name, value]) => (/_(FILE|PATH)$/.test(name) ? contentOf(value) : [value]))
    .flatMap((value) => [value, encodeURIComponent(value), Buffer.from(value).toString('base64')])
    .filter((value) => value.length >= shortestSecret)
    .sort((a, b) => b.length - a.length)
  return (line) =>
    printable(secrets.reduce((text, secret) => text.replaceAll(secret, '***'), line)).slice(0, longestLine)
}

/** The lines of the file that a variable names; lego cannot tell what is in a file that its user cannot read. */
function contentOf(path: string): string[] {
  try {
    return (readTextIfThere(path) ?? '').split('\n').map((line) => line.trim())
  } catch {
    return []
  }
}
