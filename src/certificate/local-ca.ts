// The built-in CA: makes itself in the manner of minica (the program that the NixOS module runs), and issues the
// self-signed certificates that services start with before the real ones are there (contract 1.6, 1.9).
import 'reflect-metadata'
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { generalName, longestCommonName } from './csr.ts'
import { generateKey } from './keys.ts'
import type { LocalCa } from './local-ca-check.ts'
import { splitPem } from './pem.ts'
import { localCaPrefix } from './read.ts'
import { signingKeys } from './signing-key.ts'

/** A leaf of the local CA with all that is installed with it. */
export interface PreliminarySet {
  /** Private key, PEM (SEC1). */
  readonly key: string
  /** PEM, one block each. */
  readonly leaf: string
  readonly ca: string
}

/** minica's own: the roles of a certificate that nobody knows the use of. */
const bothRoles = new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth])

function later(from: Date, { years, days = 0 }: { readonly years: number; readonly days?: number }): Date {
  const date = new Date(from)
  date.setUTCFullYear(date.getUTCFullYear() + years, date.getUTCMonth(), date.getUTCDate() + days)
  return date
}

const pemOf = (certificate: X509Certificate): string => `${certificate.toString('pem')}\n`

/**
 * A new CA, valid from `now` for 100 years: ECDSA P-256, key as PKCS#8 (as minica of today), CN
 * `minica root ca <first 6 hex digits of the serial number>`.
 */
export async function makeLocalCa(now: Date): Promise<LocalCa> {
  const sec1 = await generateKey('ec256')
  const { keys, algorithm } = await signingKeys(sec1)
  const serialNumber = randomSerial(8)
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: [localCaPrefix + serialNumber.slice(0, 6)] }],
      serialNumber,
      notBefore: now,
      notAfter: later(now, { years: 100 }),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, true),
        bothRoles,
        new BasicConstraintsExtension(true, 0, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await AuthorityKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  )
  const key = createPrivateKey(sec1).export({ format: 'pem', type: 'pkcs8' }).toString()
  return { key, certificate: pemOf(certificate) }
}

/**
 * A new key and its certificate for `names`: A-labels, wildcards, IP addresses, in this order in the subjectAltName; valid
 * from `now` for 2 years and 30 days. The key is ECDSA P-256 whatever the real one will be: it costs least, and every
 * client knows it. Throws `data` (65) for a CA whose key is of a kind that cannot sign here.
 */
export async function issuePreliminary(ca: LocalCa, names: readonly string[], now: Date): Promise<PreliminarySet> {
  const key = await generateKey('ec256')
  const { keys } = await signingKeys(key)
  const issuer = new X509Certificate(ca.certificate)
  const { keys: signing, algorithm } = await signingKeys(ca.key)
  const [first] = names
  const hasSubject = first !== undefined && first.length <= longestCommonName
  // As the CA's certificate says it: Go's way to derive it changed in 2025, and minica may have been built with either.
  const issuerKeyId = issuer.getExtension(SubjectKeyIdentifierExtension)?.keyId
  const leaf = await X509CertificateGenerator.create(
    {
      ...(hasSubject && { subject: [{ CN: [first] }] }),
      issuer: issuer.subjectName,
      serialNumber: randomSerial(16),
      notBefore: now,
      notAfter: later(now, { years: 2, days: 30 }),
      publicKey: keys.publicKey,
      signingKey: signing.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        bothRoles,
        new BasicConstraintsExtension(false, undefined, true),
        ...(issuerKeyId === undefined ? [] : [new AuthorityKeyIdentifierExtension(issuerKeyId)]),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        // Critical where there is no subject (RFC 5280 §4.2.1.6).
        new SubjectAlternativeNameExtension(names.map(generalName), !hasSubject),
      ],
    },
    webcrypto,
  )
  const [caPem = ''] = splitPem(ca.certificate)
  return { key, leaf: pemOf(leaf), ca: caPem }
}

/** Hex digits of a positive INTEGER whose first octet is not zero, so that its first digits are always there. */
function randomSerial(octets: number): string {
  const bytes = randomBytes(octets)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes.toString('hex')
}
