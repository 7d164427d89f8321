// The roots that the CA's own HTTPS is judged by: Node's, those of private CAs, and, where these do not do, the machine's.
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { NixacmeError, systemWord } from '../errors.ts'

export interface RootSources {
  /** Paths of PEM files, from the option `caCertificates`. */
  readonly caCertificates: readonly string[]
  /**
   * LEGO_CA_CERTIFICATES: paths, separated by colons. What NODE_EXTRA_CA_CERTS names is among Node's own. For the
   * machine's store SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL has them.
   */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Where distributions keep all roots in one file: Debian, Fedora, openSUSE, RHEL, Alpine. The first that is there counts. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/**
 * Node's own roots (a part of the program, not the machine's store, unless --use-system-ca says so) and the private ones.
 * Undefined where Node's own are all there is. Throws `config` (78) for a file that cannot be read or holds no certificate.
 */
export function trustedRoots(sources: RootSources): SecureContext | undefined {
  const roots = privateRoots(sources)
  return roots.length === 0 ? undefined : contextWith(roots)
}

export interface MachineRoots {
  /** With those of `trustedRoots`; undefined where the machine has none. */
  readonly context: SecureContext | undefined
  /** Where they are from, or why there are none, a sentence each. */
  readonly notes: readonly string[]
}

/** The machine's own store beside all other roots. Reading it takes a while: for when a root is missing. Throws as `trustedRoots`. */
export function machineRoots(sources: RootSources): MachineRoots {
  const notes: string[] = []
  const found = [...storeFile(sources.env, notes), ...storeFolders(sources.env, notes)]
  if (found.length === 0) return { context: undefined, notes }
  return { context: contextWith([...privateRoots(sources), ...found]), notes }
}

/** Added to Node's own: given as `ca` they would replace them, and all of Node's be parsed a second time (50 ms). */
function contextWith(pems: readonly string[]): SecureContext {
  const roots = createSecureContext()
  for (const pem of pems) roots.context.addCACert(pem)
  return roots
}

function privateRoots({ caCertificates, env }: RootSources): string[] {
  return [
    ...caCertificates.flatMap((path) => readPrivate(path, "option 'caCertificates'")),
    ...paths(env['LEGO_CA_CERTIFICATES']).flatMap((path) =>
      readPrivate(path, "environment variable 'LEGO_CA_CERTIFICATES'"),
    ),
  ]
}

const paths = (value: string | undefined): string[] => (value ?? '').split(':').filter((path) => path !== '')

function readPrivate(path: string, source: string): string[] {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch (cause) {
    throw new NixacmeError('config', `cannot read '${path}' of ${source}: ${systemWord(cause)}`, { cause })
  }
  const found = text.match(block) ?? []
  if (found.length === 0) throw new NixacmeError('config', `file '${path}' of ${source} holds no PEM certificate`)
  const broken = found.findIndex((pem) => !isRoot(pem))
  if (broken < 0) return [...found]
  throw new NixacmeError('config', `certificate ${broken + 1} in file '${path}' of ${source} cannot be read`)
}

function isRoot(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

function storeFile(env: RootSources['env'], notes: string[]): string[] {
  const named = env['SSL_CERT_FILE']
  for (const path of named ? [named] : bundles) {
    try {
      const found = (readFileSync(path, 'latin1').match(block) ?? []).filter(isRoot)
      notes.push(`the machine's own roots in '${path}' (${found.length}) do not know it either`)
      return found
    } catch (e) {
      if (named) notes.push(`'${path}' of SSL_CERT_FILE cannot be read: ${systemWord(e)}`)
    }
  }
  return []
}

function storeFolders(env: RootSources['env'], notes: string[]): string[] {
  return paths(env['SSL_CERT_DIR']).flatMap((folder) => {
    try {
      return readdirSync(folder).flatMap((name) => rootsIn(join(folder, name)))
    } catch (e) {
      notes.push(`'${folder}' of SSL_CERT_DIR cannot be read: ${systemWord(e)}`)
      return []
    }
  })
}

/** A folder of roots has links, hashes and other files in it: what holds none is passed over. */
function rootsIn(path: string): string[] {
  try {
    return (readFileSync(path, 'latin1').match(block) ?? []).filter(isRoot)
  } catch {
    return []
  }
}
