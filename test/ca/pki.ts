// Keys and certificates for the test CA, made with @peculiar/x509 over Node's WebCrypto.
import 'reflect-metadata'
import { KeyObject, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' }
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' }

export interface Issuer {
  readonly certificate: x509.X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
}

export interface Validity {
  readonly notBefore: Date
  readonly notAfter: Date
}

export const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])

/** PKCS #8. */
export const keyPem = (key: webcrypto.CryptoKey): string =>
  KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString()

/** With a line end. */
export const certificatePem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`

/** A CA certificate: a root when `parent` is undefined. Valid for decades both ways, so that leaves may be backdated. */
export async function makeIssuer(commonName: string, parent: Issuer | undefined): Promise<Issuer> {
  const keys = await newKeys()
  const subject = `CN=${commonName}`
  const year = 365 * 86_400_000
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: parent?.certificate.subject ?? subject,
    publicKey: keys.publicKey,
    signingKey: (parent?.keys ?? keys).privateKey,
    signingAlgorithm,
    notBefore: new Date(Date.now() - 10 * year),
    notAfter: new Date(Date.now() + 20 * year),
    extensions: [
      new x509.BasicConstraintsExtension(true, parent === undefined ? undefined : 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create((parent?.keys ?? keys).publicKey),
    ],
  })
  return { certificate, keys }
}

export interface LeafRequest {
  readonly publicKey: x509.PublicKey | webcrypto.CryptoKey
  /** Only where the CSR asked for one. */
  readonly commonName: string | undefined
  readonly names: readonly { type: 'dns' | 'ip'; value: string }[]
  readonly isRsa: boolean
  /** Taken over from the CSR as they are. */
  readonly extensions: readonly x509.Extension[]
}

/** A server certificate with the profile of today's public CAs: serverAuth alone, keyEncipherment for RSA only. */
export async function makeLeaf(
  issuer: Issuer,
  request: LeafRequest,
  validity: Validity,
): Promise<x509.X509Certificate> {
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags
  return x509.X509CertificateGenerator.create({
    ...(request.commonName !== undefined && { subject: [{ CN: [request.commonName] }] }),
    issuer: issuer.certificate.subject,
    publicKey: request.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(digitalSignature | (request.isRsa ? keyEncipherment : 0), true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.SubjectKeyIdentifierExtension.create(request.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
      // Critical when there is no subject (RFC 5280 section 4.2.1.6).
      new x509.SubjectAlternativeNameExtension([...request.names], request.commonName === undefined),
      ...request.extensions,
    ],
  })
}
