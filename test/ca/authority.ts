// The issuing half of the test CA: root, intermediate, leaves, and certificates that are wrong on purpose.
import type * as x509 from '@peculiar/x509'
import {
  certificatePem,
  type Issuer,
  keyPem,
  type LeafRequest,
  makeIssuer,
  makeLeaf,
  newKeys,
  type Validity,
} from './pki.ts'
import type { Settings } from './settings.ts'

export interface IssuedCertificate {
  readonly request: LeafRequest
  readonly validity: Validity
  /** PEM. */
  readonly leaf: string
}

/** What can be wrong with a downloaded certificate; exported so that tests can go through all of them. */
export const certificateFlaws = [
  'other-key',
  'other-names',
  'expired',
  'not-yet-valid',
  'wrong-intermediate',
  'leaf-only',
  'reversed',
  'truncated',
  'garbage',
  'empty',
] as const

export type CertificateFlaw = (typeof certificateFlaws)[number]

const day = 86_400_000

export class Authority {
  readonly #root: Issuer
  readonly #intermediate: Issuer

  private constructor(root: Issuer, intermediate: Issuer) {
    this.#root = root
    this.#intermediate = intermediate
  }

  static async create(): Promise<Authority> {
    const root = await makeIssuer('Test CA Root', undefined)
    return new Authority(root, await makeIssuer('Test CA Intermediate', root))
  }

  /** PEM of the root that issued certificates lead to (not the root of the CA's own HTTPS). */
  get rootPem(): string {
    return certificatePem(this.#root.certificate)
  }

  async issue(
    request: LeafRequest,
    { notBeforeOffsetSeconds, seconds }: Settings['lifetime'],
  ): Promise<IssuedCertificate> {
    const start = Date.now() + notBeforeOffsetSeconds * 1000
    const validity = { notBefore: new Date(start), notAfter: new Date(start + seconds * 1000) }
    return { request, validity, leaf: await this.#leaf(request, validity) }
  }

  /** The download: leaf first (RFC 8555 section 9.1), PEM. */
  download({ leaf }: IssuedCertificate, chain: Settings['chain']): string {
    if (chain === 'leaf-only') return leaf
    const intermediate = certificatePem(this.#intermediate.certificate)
    return chain === 'with-root' ? leaf + intermediate + this.rootPem : leaf + intermediate
  }

  /** The same download with `flaw`. */
  async flawed(issued: IssuedCertificate, flaw: CertificateFlaw): Promise<string> {
    const { request, validity, leaf } = issued
    const whole = this.download(issued, 'intermediate')
    const instead = async (changes: Partial<LeafRequest>, during: Validity = validity) =>
      this.download({ ...issued, leaf: await this.#leaf({ ...request, ...changes }, during) }, 'intermediate')
    const now = Date.now()
    switch (flaw) {
      case 'other-key':
        return instead({ publicKey: (await newKeys()).publicKey, isRsa: false })
      case 'other-names':
        return instead({ names: [{ type: 'dns', value: 'somebody-else.test' }], commonName: undefined })
      case 'expired':
        return instead({}, { notBefore: new Date(now - 91 * day), notAfter: new Date(now - day) })
      case 'not-yet-valid':
        return instead({}, { notBefore: new Date(now + 2 * day), notAfter: new Date(now + 92 * day) })
      case 'wrong-intermediate':
        return leaf + certificatePem((await makeIssuer('Test CA Intermediate', this.#root)).certificate)
      case 'leaf-only':
        return leaf
      case 'reversed':
        return certificatePem(this.#intermediate.certificate) + leaf
      case 'truncated':
        return whole.slice(0, Math.floor(leaf.length * 0.6))
      case 'garbage':
        return '-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n'
      case 'empty':
        return ''
    }
  }

  async #leaf(request: LeafRequest, validity: Validity): Promise<string> {
    const certificate: x509.X509Certificate = await makeLeaf(this.#intermediate, request, validity)
    return certificatePem(certificate)
  }
}

export interface TlsIdentity {
  /** PEM of what a client has to trust. */
  readonly rootPem: string
  readonly certificate: string
  readonly key: string
}

/** Key and certificate of the CA's own HTTPS server for localhost and 127.0.0.1, under a root of their own. */
export async function makeTlsIdentity(): Promise<TlsIdentity> {
  const root = await makeIssuer('Test CA HTTPS Root', undefined)
  const keys = await newKeys()
  const names = [
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
  ] as const
  const request = { publicKey: keys.publicKey, isRsa: false, commonName: undefined, names, extensions: [] }
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 365 * day) }
  const certificate = await makeLeaf(root, request, validity)
  return {
    rootPem: certificatePem(root.certificate),
    certificate: certificatePem(certificate),
    key: keyPem(keys.privateKey),
  }
}
