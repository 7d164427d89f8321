// The roots that the CA's own HTTPS is judged by: Node's, and those of private CAs.
import { readFileSync } from 'node:fs'
import * as tls from 'node:tls'
import { NixacmeError, systemWord } from '../errors.ts'
import type { Log } from '../log.ts'

export interface RootSources {
  /** Paths of PEM files, from the option `caCertificates`. */
  readonly caCertificates: readonly string[]
  /** LEGO_CA_CERTIFICATES: paths, separated by colons. NODE_EXTRA_CA_CERTS: one path. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/**
 * PEM texts of all roots, or undefined where Node's own are all there is (then they need not be parsed again). Throws
 * `config` (78) for a file that cannot be read or holds no certificate; as in Node itself, one that NODE_EXTRA_CA_CERTS
 * names is only warned about.
 */
export function trustedRoots({ caCertificates, env, log }: RootSources): string[] | undefined {
  const fromEnv = (env['LEGO_CA_CERTIFICATES'] ?? '').split(':').filter((path) => path !== '')
  const extra = [
    ...caCertificates.flatMap((path) => readRoots(path, "option 'caCertificates'")),
    ...fromEnv.flatMap((path) => readRoots(path, "environment variable 'LEGO_CA_CERTIFICATES'")),
    ...nodeExtra(env['NODE_EXTRA_CA_CERTS'], log),
  ]
  return extra.length === 0 ? undefined : [...nodesRoots(), ...extra]
}

/** What Node trusts by default, --use-system-ca included where this Node can tell (22.15, 23.10). */
const nodesRoots = (): readonly string[] =>
  'getCACertificates' in tls && typeof tls.getCACertificates === 'function'
    ? (tls.getCACertificates('default') as string[])
    : tls.rootCertificates

function nodeExtra(path: string | undefined, log: Log): string[] {
  const source = "environment variable 'NODE_EXTRA_CA_CERTS'"
  if (!path) return []
  try {
    return readRoots(path, source)
  } catch (e) {
    if (!(e instanceof NixacmeError)) throw e
    log.warning(`${e.message}, ignoring`)
    return []
  }
}

function readRoots(path: string, source: string): string[] {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch (cause) {
    throw new NixacmeError('config', `cannot read '${path}' of ${source}: ${systemWord(cause)}`, { cause })
  }
  const found = text.match(block) ?? []
  if (found.length > 0) return [...found]
  throw new NixacmeError('config', `file '${path}' of ${source} holds no PEM certificate`)
}
