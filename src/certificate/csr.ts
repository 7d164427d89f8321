// Certificate requests (RFC 2986), made with @peculiar/x509.
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { Extension, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { mustStapleValue, tlsFeature } from './must-staple.ts'
import { signingKeys } from './signing-key.ts'

/** The upper bound of a common name (RFC 5280, appendix A.1). */
export const longestCommonName = 64

export interface CsrOptions {
  /** Ask for the must-staple extension. */
  readonly mustStaple?: boolean
}

/**
 * A request for `names` (A-labels and IP addresses, in this order in the subjectAltName), signed with `keyPem` (SEC1,
 * PKCS#1 or PKCS#8), as DER. The common name is the first name where it is a DNS name and fits, as lego has it: public
 * CAs ignore it, but private ones that copy the subject would else make certificates without any. Throws `data` (65) for
 * a key of another kind.
 */
export async function buildCsr(
  keyPem: string,
  names: readonly string[],
  { mustStaple = false }: CsrOptions = {},
): Promise<Buffer> {
  const { keys, algorithm } = await signingKeys(keyPem)
  const [first] = names
  const fits = first !== undefined && first.length <= longestCommonName && isIP(first) === 0
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: fits ? [{ CN: [first] }] : [],
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new SubjectAlternativeNameExtension(names.map(generalName)),
        ...(mustStaple ? [new Extension(tlsFeature, false, mustStapleValue)] : []),
      ],
    },
    webcrypto,
  )
  return Buffer.from(request.rawData)
}

/** A GeneralName (RFC 5280 §4.2.1.6) as the library wants it. */
export const generalName = (value: string) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })
