// A private key from PEM as WebCrypto wants it, with the signature algorithm that goes with it: requests and the local
// CA's certificates are signed so.
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from 'node:crypto'
import { NixacmeError } from '../errors.ts'

export type SigningAlgorithm =
  | { readonly name: 'ECDSA'; readonly namedCurve: string; readonly hash: string }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string }

export interface SigningKeys {
  readonly keys: webcrypto.CryptoKeyPair
  readonly algorithm: SigningAlgorithm
}

/** The key pair of `keyPem` (SEC1, PKCS#1 or PKCS#8). Throws `data` (65) for a key of another kind. */
export async function signingKeys(keyPem: string): Promise<SigningKeys> {
  const key = createPrivateKey(keyPem)
  const algorithm = algorithmOf(key)
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const keys = {
    privateKey: await importKey('pkcs8', key.export({ format: 'der', type: 'pkcs8' }), algorithm, 'sign'),
    publicKey: await importKey('spki', spki, algorithm, 'verify'),
  }
  return { keys, algorithm }
}

function algorithmOf(key: KeyObject): SigningAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (curve === 'prime256v1') return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  if (curve === 'secp384r1') return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
  throw new NixacmeError('data', 'a certificate key must be RSA, P-256 or P-384')
}

const importKey = (format: 'pkcs8' | 'spki', der: Buffer, algorithm: SigningAlgorithm, use: 'sign' | 'verify') =>
  webcrypto.subtle.importKey(format, der, algorithm, use === 'verify', [use])
