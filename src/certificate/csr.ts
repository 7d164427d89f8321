// Certificate requests (RFC 2986), made with @peculiar/x509.
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { signingKeys } from './signing-key.ts'

/** The upper bound of a common name (RFC 5280, appendix A.1). */
export const longestCommonName = 64

/**
 * A request for `names` (A-labels, in this order in the subjectAltName), signed with `keyPem` (SEC1, PKCS#1 or PKCS#8),
 * as DER. The common name is the first name where it fits, as lego has it: public CAs ignore it, but private ones that
 * copy the subject would else make certificates without any. Throws `data` (65) for a key of another kind.
 */
export async function buildCsr(keyPem: string, names: readonly string[]): Promise<Buffer> {
  const { keys, algorithm } = await signingKeys(keyPem)
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
