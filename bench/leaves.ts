// Leaf certificates by the thousand: one is made properly, the others are that one with another name of the same length,
// signed anew. All have one key and one serial number, which is all the same to whoever only reads them.
import { KeyObject, sign } from 'node:crypto'
import { certificatePem, makeIssuer, makeLeaf, newKeys } from '../test/ca/pki.ts'

const day = 86_400_000

export interface Leaves {
  /** SEC 1, PEM: the key of all leaves. */
  readonly key: string
  /** PEM. */
  readonly issuer: string
  /** The leaf of a name as long as the template's, PEM. */
  leafOf(name: string): string
}

/** A definite-length DER value of 256 to 65,535 bytes of content (X.690 section 8.1.3). */
function long(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const header = Buffer.from([tag, 0x82, 0, 0])
  header.writeUInt16BE(content.length, 2)
  return Buffer.concat([header, content])
}

/** The TLV that begins at `offset`, of any length below 65,536. */
function tlvAt(der: Buffer, offset: number): Buffer {
  const first = der.readUInt8(offset + 1)
  if (first < 0x80) return der.subarray(offset, offset + 2 + first)
  const bytes = first & 0x7f
  return der.subarray(offset, offset + 2 + bytes + der.readUIntBE(offset + 2, bytes))
}

/** `template`: a name; those of the other leaves have its length. The leaves are valid from yesterday for 89 days. */
export async function makeLeaves(template: string): Promise<Leaves> {
  const [issuer, keys] = await Promise.all([makeIssuer('nixacme bench', undefined), newKeys()])
  const names = [{ type: 'dns' as const, value: template }]
  const request = { publicKey: keys.publicKey, commonName: undefined, names, isRsa: false, extensions: [] }
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 89 * day) }
  const der = Buffer.from((await makeLeaf(issuer, request, validity)).rawData)
  const tbs = tlvAt(der, 4)
  const algorithm = tlvAt(der, 4 + tbs.length)
  const at = tbs.indexOf(template)
  const signingKey = KeyObject.from(issuer.keys.privateKey)
  return {
    key: KeyObject.from(keys.privateKey).export({ format: 'pem', type: 'sec1' }).toString(),
    issuer: certificatePem(issuer.certificate),
    leafOf(name) {
      if (name.length !== template.length) throw new Error(`'${name}' is not as long as '${template}'`)
      const named = Buffer.from(tbs)
      named.write(name, at)
      const signature = sign('sha256', named, signingKey)
      const bits = Buffer.concat([Buffer.from([0x03, signature.length + 1, 0]), signature])
      const lines =
        long(0x30, named, algorithm, bits)
          .toString('base64')
          .match(/.{1,64}/g) ?? []
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
    },
  }
}
