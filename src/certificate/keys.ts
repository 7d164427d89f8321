// Private keys: new ones, in the PEM that lego writes (SEC1 for EC, PKCS#1 for RSA), and of which type one is.
import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import type { KeyType } from '../config/config.ts'

/** What each key type is to node:crypto. */
export const keyParameters = {
  ec256: { family: 'ec', namedCurve: 'prime256v1' },
  ec384: { family: 'ec', namedCurve: 'secp384r1' },
  rsa2048: { family: 'rsa', modulusLength: 2048 },
  rsa3072: { family: 'rsa', modulusLength: 3072 },
  rsa4096: { family: 'rsa', modulusLength: 4096 },
  rsa8192: { family: 'rsa', modulusLength: 8192 },
} as const satisfies Record<KeyType, { family: 'ec'; namedCurve: string } | { family: 'rsa'; modulusLength: number }>

/** A new private key as PEM. It is made in a thread beside the event loop; rsa8192 can take half a minute. */
export function generateKey(keyType: KeyType): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = (e: Error | null, _publicKey: KeyObject, key: KeyObject) => (e ? reject(e) : resolve(pemOf(key)))
    const parameters = keyParameters[keyType]
    if (parameters.family === 'ec') generateKeyPair('ec', { namedCurve: parameters.namedCurve }, done)
    else generateKeyPair('rsa', { modulusLength: parameters.modulusLength }, done)
  })
}

const pemOf = (key: KeyObject): string =>
  key.export({ format: 'pem', type: key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs1' }).toString()

/** Whether a key, PEM, is of this type; false for what is no key. */
export function isOfType(pem: string, keyType: KeyType): boolean {
  const parameters = keyParameters[keyType]
  try {
    const { asymmetricKeyType, asymmetricKeyDetails = {} } = createPrivateKey(pem)
    if (asymmetricKeyType !== parameters.family) return false
    return parameters.family === 'ec'
      ? asymmetricKeyDetails.namedCurve === parameters.namedCurve
      : asymmetricKeyDetails.modulusLength === parameters.modulusLength
  } catch {
    return false
  }
}
