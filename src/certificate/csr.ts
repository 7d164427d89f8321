// Certificate requests (RFC 2986), made with @peculiar/x509.
import 'reflect-metadata'
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { NixacmeError } from '../errors.ts'

/** The upper bound of a common name (RFC 5280, appendix A.1). */
const longestCommonName = 64

/**
 * A request for `names` (A-labels, in this order in the subjectAltName), signed with `keyPem` (SEC1, PKCS#1 or PKCS#8),
 * as DER. The common name is the first name where it fits, as lego has it: public CAs ignore it, but private ones that
 * copy the subject would else make certificates without any. Throws `data` (65) for a key of another kind.
 */
export async function buildCsr(keyPem: string, names: readonly string[]): Promise<Buffer> {
  const key = createPrivateKey(keyPem)
  const algorithm = algorithmOf(key)
  const keys = {
    privateKey: await importKey('pkcs8', key.export({ format: 'der', type: 'pkcs8' }), algorithm, 'sign'),
    publicKey: await importKey(
      'spki',
      createPublicKey(key).export({ format: 'der', type: 'spki' }),
      algorithm,
      'verify',
    ),
  }
  const [first] = names
  const fits = first !== undefined && first.length <= longestCommonName
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: fits ? [{ CN: [first] }] : [],
      keys,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value })))],
    },
    webcrypto,
  )
  return Buffer.from(request.rawData)
}

type Algorithm =
  | { readonly name: 'ECDSA'; readonly namedCurve: string; readonly hash: string }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string }

function algorithmOf(key: KeyObject): Algorithm {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (curve === 'prime256v1') return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  if (curve === 'secp384r1') return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
  throw new NixacmeError('data', 'a certificate key must be RSA, P-256 or P-384')
}

const importKey = (format: 'pkcs8' | 'spki', der: Buffer, algorithm: Algorithm, use: 'sign' | 'verify') =>
  webcrypto.subtle.importKey(format, der, algorithm, use === 'verify', [use])
