// A certificate request of somebody else's making, and its key: read with @peculiar/x509, and held against what the config
// wants, so that a CA is never asked with the wrong one.
import 'reflect-metadata'
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { NixacmeError } from '../errors.ts'
import { identifierOf } from '../job/names.ts'
import { canonicalAddress } from '../url.ts'
import { pemOctets } from './pem.ts'

export interface OwnRequestFiles {
  /** Content of the file with the request, PEM or DER. */
  readonly request: Buffer
  /** Content of the file with the key, PEM or DER (SEC1, PKCS#1, PKCS#8). */
  readonly key: Buffer
  /** Where they were, for words. */
  readonly paths: { readonly request: string; readonly key: string }
}

export interface RequestWithKey {
  /** PEM, in lego's format where there is one for the kind of key. */
  readonly keyPem: string
  /** PKCS #10, DER. */
  readonly csr: Buffer
}

/**
 * The request for `names` (A-labels and IP addresses) in these files. Throws `config` (78), naming the file, unless request
 * and key are sound, belong together, and are for these names, no more and no fewer.
 */
export async function readOwnRequest(files: OwnRequestFiles, names: readonly string[]): Promise<RequestWithKey> {
  const { paths } = files
  const request = parseRequest(files)
  if (!(await isSigned(request))) throw fault(paths.request, 'csr', 'its signature does not hold')
  const key = parseKey(files)
  const own = createPublicKey(key).export({ format: 'der', type: 'spki' })
  if (!own.equals(Buffer.from(request.publicKey.rawData)))
    throw fault(paths.request, 'csr', `it is for another key than the one in '${paths.key}'`)
  const difference = namesDifference(namesIn(request, paths.request), names)
  if (difference !== undefined) throw fault(paths.request, 'csr', difference, namesHint)
  return { keyPem: exported(key), csr: Buffer.from(request.rawData) }
}

const namesHint = ["the subjectAltName must hold the names of 'domain' and 'extraDomainNames', no more and no fewer"]

const fault = (path: string, option: 'csr' | 'csrKey', what: string, hints: readonly string[] = []): NixacmeError =>
  new NixacmeError('config', `'${path}' of option '${option}' cannot be used: ${what}`, { hints })

function parseRequest({ request, paths }: OwnRequestFiles): Pkcs10CertificateRequest {
  const isPem = request.includes('-----BEGIN ')
  const der = isPem ? pemOctets(request.toString('latin1'), 'CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST') : request
  try {
    if (der !== undefined) return new Pkcs10CertificateRequest(der)
  } catch {
    // As a text without a request.
  }
  throw fault(paths.request, 'csr', 'it holds no certificate request, as PEM or DER')
}

async function isSigned(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify(webcrypto)
  } catch {
    return false
  }
}

function parseKey({ key, paths }: OwnRequestFiles): KeyObject {
  const text = key.toString('latin1')
  if (/ENCRYPTED/.test(text)) throw fault(paths.key, 'csrKey', 'its key has a password')
  try {
    return createPrivateKey(text)
  } catch {
    throw fault(paths.key, 'csrKey', 'it holds no private key as PEM')
  }
}

/** As lego writes keys: SEC1 for EC, PKCS#1 for RSA; all others as PKCS#8. */
function exported(key: KeyObject): string {
  const formats: Readonly<Record<string, 'sec1' | 'pkcs1'>> = { ec: 'sec1', rsa: 'pkcs1' }
  return key.export({ format: 'pem', type: formats[key.asymmetricKeyType ?? ''] ?? 'pkcs8' }).toString()
}

/** The names of the subjectAltName as identifiers. */
function namesIn(request: Pkcs10CertificateRequest, path: string): string[] {
  const extension = request.getExtension('2.5.29.17')
  const names = extension instanceof SubjectAlternativeNameExtension ? extension.names.items : []
  const other = names.find(({ type }) => type !== 'dns' && type !== 'ip')
  if (other) throw fault(path, 'csr', `its subjectAltName holds a name of type '${other.type}'`, namesHint)
  const [commonName] = request.subjectName.getField('CN')
  const found = names.map(({ type, value }) => (type === 'ip' ? canonicalAddress(value) : value.toLowerCase()))
  if (commonName !== undefined && !found.includes(identifierOf(commonName)))
    throw fault(path, 'csr', `its common name '${commonName.slice(0, 100)}' is not in its subjectAltName`, namesHint)
  return found
}

function namesDifference(found: readonly string[], wanted: readonly string[]): string | undefined {
  const lacking = wanted.filter((name) => !found.includes(name))
  const extra = found.filter((name) => !wanted.includes(name))
  const list = (names: readonly string[]) => names.map((name) => `'${name.slice(0, 253)}'`).join(', ')
  const parts = [
    lacking.length > 0 ? `it lacks ${list(lacking)}` : '',
    extra.length > 0 ? `it asks for ${list(extra)}, which the config does not` : '',
  ].filter(Boolean)
  return parts.length > 0 ? parts.join(' and ') : undefined
}
