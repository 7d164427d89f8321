// Whether key, certificate and chain belong together, by their signatures: asked before anything is stored or installed.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { NixacmeError } from '../errors.ts'
import { isoMinute } from '../time.ts'
import { type CertificateFacts, type CertificateSet, judgeLeaf, type LeafJudgement, lackingNames } from './read.ts'

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

function isItsKey(certificate: X509Certificate | undefined, key: string): boolean {
  try {
    return certificate?.checkPrivateKey(createPrivateKey(key)) === true
  } catch {
    return false
  }
}

/** As `judgeLeaf`, and each certificate of the chain must be signed by the next; `names` must all be in the leaf. */
export function judgeSet(set: CertificateSet, names: readonly string[]): LeafJudgement {
  const leaf = judgeLeaf(set)
  if ('flaw' in leaf) return leaf
  const missing = lackingNames(leaf.facts, names)
  if (missing.length > 0) return { flaw: `the certificate lacks ${missing.map((n) => `'${n}'`).join(', ')}` }
  const chain = set.chain.map(parse)
  if (!isItsKey(chain[0], set.key)) return { flaw: 'the key is damaged' }
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1]
    if (!certificate) return { flaw: `certificate ${i + 1} of the chain is damaged` }
    if (i + 1 === chain.length) break
    if (!issuer || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      return { flaw: `certificate ${i + 1} of the chain is not issued by the next one` }
  }
  return leaf
}

function judgeUsable(set: CertificateSet, names: readonly string[], now: Date): LeafJudgement {
  const judged = judgeSet(set, names)
  if ('flaw' in judged || judged.facts.notAfter > now) return judged
  return { flaw: `the certificate expired at ${isoMinute(judged.facts.notAfter)}, and it is ${isoMinute(now)}` }
}

/**
 * Throws `refused` (76) unless the set is whole, holds all `names` and has not ended by `now`: what a CA sent must be what
 * was asked for.
 */
export function checkSet(set: CertificateSet, names: readonly string[], now: Date): CertificateFacts {
  const judged = judgeUsable(set, names, now)
  if ('facts' in judged) return judged.facts
  throw new NixacmeError('refused', `the CA sent something that cannot be used: ${judged.flaw}`, {
    hints: ['nothing was stored and the old certificate stays; if it happens again, tell the CA'],
  })
}
