// The certificate that a TLS server shows for tls-alpn-01 (RFC 8737 §3; RFC 8738 §6 for addresses), made with @peculiar/x509.
import 'reflect-metadata'
import { createHash, randomBytes, webcrypto } from 'node:crypto'
import { Extension, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'
import { generalName } from './csr.ts'
import { generateKey } from './keys.ts'
import { signingKeys } from './signing-key.ts'

/** id-pe-acmeIdentifier */
export const acmeIdentifier = '1.3.6.1.5.5.7.1.31'

/** An hour before and a week after: no clock of a CA is asked, but some library may look. */
const hour = 3_600_000
const week = 7 * 24 * hour

/**
 * A new P-256 key and its self-signed certificate, both PEM in one text: for the one identifier (A-label or IP address), with
 * the SHA-256 of the key authorization in the critical acmeIdentifier extension.
 */
export async function alpnCertificate(identifier: string, keyAuthorization: string, now: Date): Promise<string> {
  const key = await generateKey('ec256')
  const { keys, algorithm } = await signingKeys(key)
  const digest = createHash('sha256').update(keyAuthorization).digest()
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: ['ACME challenge'] }],
      serialNumber: Buffer.concat([Buffer.from([0x40]), randomBytes(8)]).toString('hex'),
      notBefore: new Date(now.getTime() - hour),
      notAfter: new Date(now.getTime() + week),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new SubjectAlternativeNameExtension([generalName(identifier)]),
        // An OCTET STRING of 32 octets.
        new Extension(acmeIdentifier, true, Buffer.concat([Buffer.from([0x04, 0x20]), digest])),
      ],
    },
    webcrypto,
  )
  return `${key.trim()}\n${certificate.toString('pem')}\n`
}
