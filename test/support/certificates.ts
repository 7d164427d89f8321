// Certificates for tests: a root and an intermediate for the whole process, and leaves of any names, dates and key types.
import { KeyObject, webcrypto } from 'node:crypto'
import type { KeyType } from '../../src/config/config.ts'
import type { StoredSet } from '../../src/renewal/state.ts'
import { certificatePem, type Issuer, makeIssuer, makeLeaf } from '../ca/pki.ts'

export const day = 86_400_000

export interface SetOptions {
  /** dNSNames, in this order. */
  readonly names: readonly string[]
  /** Default: an hour ago. Whole seconds count. */
  readonly notBefore?: Date
  /** Default: 90 days after `notBefore`. */
  readonly notAfter?: Date
  /** Default: ec256. */
  readonly keyType?: KeyType
}

let issuers: Promise<{ root: Issuer; intermediate: Issuer }> | undefined

async function makeIssuers() {
  const root = await makeIssuer('nixacme test root', undefined)
  return { root, intermediate: await makeIssuer('nixacme test intermediate', root) }
}

const theIssuers = () => {
  issuers ??= makeIssuers()
  return issuers
}

/** The certificate that every set of this process leads up to, as PEM. */
export const rootPem = async (): Promise<string> => certificatePem((await theIssuers()).root.certificate)

const curves = { ec256: 'P-256', ec384: 'P-384' } as const

function newKeys(keyType: KeyType): Promise<webcrypto.CryptoKeyPair> {
  const usages: webcrypto.KeyUsage[] = ['sign', 'verify']
  if (keyType === 'ec256' || keyType === 'ec384')
    return webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: curves[keyType] }, true, usages)
  const rsa = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: Number(keyType.slice(3)),
    publicExponent: new Uint8Array([1, 0, 1]),
  }
  return webcrypto.subtle.generateKey(rsa, true, usages)
}

/** As lego writes it: SEC 1 for EC, PKCS #1 for RSA. */
const privatePem = (key: webcrypto.CryptoKey, isRsa: boolean): string =>
  KeyObject.from(key)
    .export({ format: 'pem', type: isRsa ? 'pkcs1' : 'sec1' })
    .toString()

/** A set that belongs together: a new key, its leaf, the intermediate. Every call gives another one. */
export async function makeSet({ names, notBefore, notAfter, keyType = 'ec256' }: SetOptions): Promise<StoredSet> {
  const { intermediate } = await theIssuers()
  const isRsa = keyType.startsWith('rsa')
  const keys = await newKeys(keyType)
  const from = notBefore ?? new Date(Date.now() - 3_600_000)
  const leaf = await makeLeaf(
    intermediate,
    {
      publicKey: keys.publicKey,
      commonName: undefined,
      names: names.map((value) => ({ type: 'dns' as const, value })),
      isRsa,
      extensions: [],
    },
    { notBefore: from, notAfter: notAfter ?? new Date(from.getTime() + 90 * day) },
  )
  return assemble(privatePem(keys.privateKey, isRsa), [certificatePem(leaf), certificatePem(intermediate.certificate)])
}

/** The set of a key and a chain (leaf first), whether they belong together or not. */
export const assemble = (key: string, chain: readonly string[]): StoredSet => ({
  key,
  chain: [...chain],
  fullchain: chain.join(''),
  issuers: chain.slice(1).join(''),
})

/** `set` with the key of another certificate. */
export const foreignKey = async (set: StoredSet): Promise<StoredSet> => ({
  ...set,
  key: privatePem((await newKeys('ec256')).privateKey, false),
})

/** `set` with a chain whose issuer signed nothing of it. */
export async function foreignIssuer(set: StoredSet): Promise<StoredSet> {
  const stranger = await makeIssuer('nixacme test intermediate', undefined)
  return assemble(set.key, [set.chain[0] ?? '', certificatePem(stranger.certificate)])
}

/** The first half of a PEM text: what a full disk or a kill in mid-write leaves. */
export const truncate = (pem: string): string => pem.slice(0, pem.length / 2)
