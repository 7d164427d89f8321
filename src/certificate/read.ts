// What a stored certificate says, and whether the key beside it is its own: enough to decide what is due, read from the
// DER itself (RFC 5280, RFC 5915, RFC 8017, RFC 5958), without loading node:crypto. The signatures, and that the private
// part of the key is sound, are checked before anything is installed (verify.ts).
import { createRequire } from 'node:module'
import { canonicalAddress } from '../url.ts'
import { type Element, element, elements, inside, tag } from './der.ts'
import { pemOctets } from './pem.ts'

export interface CertificateFacts {
  readonly notBefore: Date
  readonly notAfter: Date
  /** The dNSNames of the subjectAltName, in lower case, in the certificate's order. */
  readonly names: readonly string[]
  /** The iPAddresses of the subjectAltName as text, IPv6 as RFC 5952 has it. */
  readonly addresses?: readonly string[]
  /** By which its CA knows it (RFC 9773 §4.1); undefined where it does not say which key of the CA has signed it. */
  readonly renewalId?: string | undefined
}

/** What is read of a certificate besides. */
export interface LeafFacts extends CertificateFacts {
  /** Issued by a local CA, ours or minica's: what services start with until the real one is there. */
  readonly preliminary: boolean
}

/** How the common name of a local CA begins: minica's (contract 1.9), so that what NixOS made is recognised too. */
export const localCaPrefix = 'minica root ca '

export interface CertificateSet {
  /** Private key, PEM (SEC1, PKCS#1 or PKCS#8). */
  readonly key: string
  /** PEM blocks, leaf first, each issued by the next. */
  readonly chain: readonly string[]
}

export type LeafJudgement = { readonly facts: LeafFacts } | { readonly flaw: string }

/** UTCTime and GeneralizedTime as RFC 5280 §4.1.2.5 allows them: seconds, and Z. */
function time({ tag: kind, content }: Element): Date {
  const text = content.toString('latin1')
  const isShort = kind === tag.utcTime
  if (text.length !== (isShort ? 13 : 15) || !/^\d+Z$/.test(text)) throw new RangeError('no time')
  const year = Number(text.slice(0, isShort ? 2 : 4))
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = [11, 9, 7, 5, 3].map((fromEnd) =>
    Number(text.slice(-fromEnd, text.length - fromEnd + 2)),
  )
  const date = new Date(
    Date.UTC(isShort ? year + (year < 50 ? 2000 : 1900) : year, month - 1, day, hour, minute, second),
  )
  // A 13th month or a 30th of February would be another day.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) throw new RangeError('no time')
  return date
}

const subjectAltName = Buffer.from([0x55, 0x1d, 0x11])
const authorityKeyIdentifier = Buffer.from([0x55, 0x1d, 0x23])

/** What stands in the sequence that the value of an extension is; nothing where there is no such extension. */
function extensionOf(extensions: Buffer | undefined, wanted: Buffer): Element[] {
  for (const { content } of extensions ? inside(extensions, tag.sequence) : []) {
    const [oid, ...rest] = elements(content)
    const value = rest.at(-1)
    if (!oid?.content.equals(wanted) || value?.tag !== tag.octetString) continue
    return inside(value.content, tag.sequence)
  }
  return []
}

/** RFC 9773 §4.1: both as they stand in the certificate, a leading 00 of the serial number too, without padding. */
function renewalIdOf(serial: Buffer, extensions: Buffer | undefined): string | undefined {
  const key = extensionOf(extensions, authorityKeyIdentifier).find((field) => field.tag === tag.keyIdentifier)
  return key && `${key.content.toString('base64url')}.${serial.toString('base64url')}`
}

/** 4 or 16 octets as text; [] for what is no address. */
function addressOf(octets: Buffer): string[] {
  if (octets.length === 4) return [octets.join('.')]
  return octets.length === 16 ? [canonicalAddress((octets.toString('hex').match(/.{4}/g) ?? []).join(':'))] : []
}

const commonName = Buffer.from([0x55, 0x04, 0x03])

/** Whether the common name in a Name (RFC 5280 §4.1.2.4) begins as a local CA's. */
const isLocalCa = (name: Buffer): boolean =>
  elements(name)
    .flatMap((set) => elements(set.content))
    .some(({ content }) => {
      const [type, value] = elements(content)
      return type?.content.equals(commonName) && value?.content.toString('latin1').startsWith(localCaPrefix)
    })

export interface Leaf {
  readonly facts: LeafFacts
  /** The content of the subjectPublicKey's BIT STRING. */
  readonly publicKey: Buffer
}

/** Reads the first certificate of a PEM text. Throws RangeError when there is none or it is damaged. */
export function readLeaf(pem: string): Leaf {
  const der = pemOctets(pem, 'CERTIFICATE') ?? Buffer.alloc(0)
  const tbs = elements(element(inside(der, tag.sequence), 0, tag.sequence))
  const fields = tbs[0]?.tag === tag.context0 ? tbs.slice(1) : tbs
  // serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, …, extensions
  const [from, to] = elements(element(fields, 3, tag.sequence))
  if (!from || !to) throw new RangeError('no validity')
  const publicKey = element(elements(element(fields, 5, tag.sequence)), 1, tag.bitString)
  const extensions = fields.find((field) => field.tag === tag.context3)?.content
  const alternatives = extensionOf(extensions, subjectAltName)
  const contentsOf = (kind: number) => alternatives.filter((name) => name.tag === kind).map(({ content }) => content)
  const facts = {
    notBefore: time(from),
    notAfter: time(to),
    names: contentsOf(tag.dnsName).map((name) => name.toString('latin1').toLowerCase()),
    addresses: contentsOf(tag.ipAddress).flatMap(addressOf),
    renewalId: renewalIdOf(element(fields, 0, tag.integer), extensions),
    preliminary: isLocalCa(element(fields, 2, tag.sequence)),
  }
  return { facts, publicKey }
}

/** The public key inside an ECPrivateKey (RFC 5915), as in a certificate's BIT STRING; it may be left out. */
const ecPublicKey = (fields: readonly Element[]): Buffer | undefined => {
  const wrapped = fields.find((field) => field.tag === tag.context1)
  return wrapped && element(elements(wrapped.content), 0, tag.bitString)
}

/** True when the key's public half is `publicKey`; undefined where the key's format does not tell it. */
function isItsKey(fields: readonly Element[], publicKey: Buffer): boolean | undefined {
  const [first, second, third] = fields
  if (first?.tag !== tag.integer) throw new RangeError('no private key')
  // PKCS#1: version, modulus, publicExponent, …; the certificate holds the same two numbers.
  if (second?.tag === tag.integer && third?.tag === tag.integer) {
    if (fields.length < 9) throw new RangeError('cut short')
    const [modulus, exponent] = inside(publicKey.subarray(1), tag.sequence)
    return modulus?.content.equals(second.content) === true && exponent?.content.equals(third.content) === true
  }
  // PKCS#8: version, algorithm, one of the others in an OCTET STRING (or, as Ed25519 has it, something else).
  if (second?.tag === tag.sequence) {
    const [inner] = elements(element(fields, 2, tag.octetString))
    return inner?.tag === tag.sequence ? isItsKey(elements(inner.content), publicKey) : undefined
  }
  return ecPublicKey(fields)?.equals(publicKey)
}

/** For keys that do not hold their public half (`openssl ec -no_public`, Ed25519). */
function isItsKeyByArithmetic(certificate: string, key: string): boolean {
  const { createPrivateKey, X509Certificate } = createRequire(import.meta.url)(
    'node:crypto',
  ) as typeof import('node:crypto')
  return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
}

/** Those of `names` (A-labels, IP addresses) that the certificate does not hold. */
export const lackingNames = ({ names, addresses = [] }: CertificateFacts, wanted: readonly string[]): string[] =>
  wanted.filter((name) => !names.includes(name.toLowerCase()) && !addresses.includes(canonicalAddress(name)))

/** The leaf's facts when `key` is its key; else what is wrong, as the end of a sentence. Never throws. */
export function judgeLeaf({ key, chain }: CertificateSet): LeafJudgement {
  const pem = chain[0] ?? ''
  let leaf: Leaf
  try {
    leaf = readLeaf(pem)
  } catch {
    return { flaw: 'the certificate is damaged or cut short' }
  }
  try {
    const der = pemOctets(key, 'EC PRIVATE KEY', 'RSA PRIVATE KEY', 'PRIVATE KEY') ?? Buffer.alloc(0)
    const matches = isItsKey(inside(der, tag.sequence), leaf.publicKey) ?? isItsKeyByArithmetic(pem, key)
    return matches ? { facts: leaf.facts } : { flaw: 'the key is not the one of the certificate' }
  } catch {
    return { flaw: 'the key is damaged or cut short' }
  }
}
