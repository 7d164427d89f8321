// Judges a CSR as a public CA does (RFC 8555 section 7.4): signed, for exactly the order's names, with a decent key.
import { createPublicKey } from 'node:crypto'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import type { LeafRequest } from './pki.ts'
import { Problem } from './problem.ts'

const tlsFeature = '1.3.6.1.5.5.7.1.24'
const curves = ['prime256v1', 'secp384r1']
const badCsr = (detail: string): Problem => new Problem(400, 'badCSR', detail)

/**
 * What the CSR asks for. `identifiers` are the order's names, `accountThumbprintKey` the account's public key as SPKI
 * DER in base64, which may not be certified. Throws `badCSR`.
 */
export async function readCsr(der: Buffer, identifiers: readonly string[], accountSpki: string): Promise<LeafRequest> {
  const csr = await verified(der)
  const san = csr.getExtension('2.5.29.17')
  const names = san instanceof x509.SubjectAlternativeNameExtension ? san.names.items : []
  if (names.some((name) => name.type !== 'dns')) throw badCsr('a subject alternative name is no DNS name')
  const asked = names.map((name) => name.value)
  if (new Set(asked).size !== asked.length) throw badCsr('a name stands twice in the CSR')
  if ([...asked].sort().join() !== [...identifiers].sort().join()) {
    throw badCsr(`the CSR is for ${asked.join(', ') || 'no name'}, the order for ${identifiers.join(', ')}`)
  }
  const commonName = csr.subjectName.getField('CN')[0]
  if (commonName !== undefined && !asked.includes(commonName)) throw badCsr('the common name is not in the order')
  const feature = csr.getExtension(tlsFeature)
  return {
    publicKey: csr.publicKey,
    isRsa: isRsa(Buffer.from(csr.publicKey.rawData), accountSpki),
    commonName,
    names: asked.map((value) => ({ type: 'dns', value })),
    extensions: feature === null ? [] : [feature],
  }
}

async function verified(der: Buffer): Promise<x509.Pkcs10CertificateRequest> {
  let csr: x509.Pkcs10CertificateRequest
  let fits: boolean
  try {
    csr = new x509.Pkcs10CertificateRequest(der)
    fits = await csr.verify()
  } catch {
    throw badCsr('the CSR cannot be read')
  }
  if (!fits) throw badCsr('the signature of the CSR does not fit')
  return csr
}

/** Judges the key on the way. */
function isRsa(spki: Buffer, accountSpki: string): boolean {
  if (spki.toString('base64') === accountSpki) throw badCsr('the account key may not be certified')
  const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return true
  if (asymmetricKeyType === 'ec' && curves.includes(asymmetricKeyDetails?.namedCurve ?? '')) return false
  throw badCsr('the key of the CSR is too weak or of an unknown kind')
}
