// The roots that the CA's own HTTPS is judged by: Node's, and those of private CAs.
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { NixacmeError, systemWord } from '../errors.ts'

export interface RootSources {
  /** Paths of PEM files, from the option `caCertificates`. */
  readonly caCertificates: readonly string[]
  /** LEGO_CA_CERTIFICATES: paths, separated by colons. What NODE_EXTRA_CA_CERTS names is among Node's own. */
  readonly env: Readonly<Record<string, string | undefined>>
}

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/**
 * Node's own roots (a part of the program, not the machine's store, unless --use-system-ca says so) and the private ones.
 * Undefined where Node's own are all there is. Throws `config` (78) for a file that cannot be read or holds no certificate.
 */
export function trustedRoots({ caCertificates, env }: RootSources): SecureContext | undefined {
  const fromEnv = (env['LEGO_CA_CERTIFICATES'] ?? '').split(':').filter((path) => path !== '')
  const extra = [
    ...caCertificates.flatMap((path) => readRoots(path, "option 'caCertificates'")),
    ...fromEnv.flatMap((path) => readRoots(path, "environment variable 'LEGO_CA_CERTIFICATES'")),
  ]
  if (extra.length === 0) return undefined
  const roots = createSecureContext()
  // Added to Node's own: given as `ca` they would replace them, and all of Node's be parsed a second time (50 ms).
  for (const pem of extra) roots.context.addCACert(pem)
  return roots
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
