// The must-staple extension (RFC 7633): a server with such a certificate has to show OCSP answers, which it can only get
// where the CA has a responder.
import { X509Certificate } from 'node:crypto'
import { elements, inside, tag } from './der.ts'

/** id-pe-tlsfeature */
export const tlsFeature = '1.3.6.1.5.5.7.1.24'
/** A SEQUENCE of the one INTEGER 5, status_request (RFC 6066 §8). */
export const mustStapleValue = Buffer.from('3003020105', 'hex')

const tlsFeatureOid = Buffer.from('2b06010505070118', 'hex')
const statusRequest = Buffer.from([5])

/** Whether a value of the extension asks for stapling; other features may stand beside it. */
export const asksForStapling = (value: Buffer): boolean =>
  inside(value, tag.sequence).some((feature) => feature.tag === tag.integer && feature.content.equals(statusRequest))

function hasMustStaple(certificate: X509Certificate): boolean {
  const [tbs] = inside(certificate.raw, tag.sequence)
  const extensions = elements(tbs?.content ?? Buffer.alloc(0)).find((field) => field.tag === tag.context3)
  return inside(extensions?.content ?? Buffer.alloc(0), tag.sequence).some(({ content }) => {
    const [oid, ...rest] = elements(content)
    return oid?.content.equals(tlsFeatureOid) === true && asksForStapling(rest.at(-1)?.content ?? Buffer.alloc(0))
  })
}

/** Why a certificate that was to be must-staple cannot be used, as the end of a sentence; undefined when it can. */
export function flawOfMustStaple(pem: string): string | undefined {
  const certificate = new X509Certificate(pem)
  if (!hasMustStaple(certificate)) return 'the certificate lacks the must-staple extension that was asked for'
  if (!/^OCSP - URI:/m.test(certificate.infoAccess ?? ''))
    return 'the certificate asks for OCSP stapling, but names no OCSP responder: the CA has no OCSP'
  return undefined
}
