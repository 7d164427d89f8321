// Which of several chains a certificate is shown with (RFC 8555 §7.4.2): they lead to different roots, and old clients
// know only some of them.
import { X509Certificate } from 'node:crypto'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AcmeClient, Download } from './client.ts'

export interface ChainWish {
  /** Common name of the issuer that the chain ends with; null: as the CA sends it. */
  readonly preferredChain: string | null
  /** Throws for a chain that cannot be used. */
  check(chain: readonly string[]): unknown
  readonly log: Log
}

/**
 * The first chain that ends with the issuer wished for, the CA's own choice first; where there is none, the CA's own
 * choice with a warning. The certificate is there by now, so what is wrong with another chain costs no more than that
 * chain. Throws what `check` throws for the CA's own choice, and the signal's reason.
 */
export async function preferredChain(
  client: AcmeClient,
  { chain, alternates }: Download,
  { preferredChain: wanted, check, log }: ChainWish,
): Promise<readonly string[]> {
  check(chain)
  if (wanted === null || endOf(chain) === wanted) return chain
  const ends = [endOf(chain)]
  for (const url of alternates) {
    try {
      const other = (await client.downloadChain(url)).chain
      ends.push(endOf(other))
      if (endOf(other) !== wanted) continue
      check(other)
      return other
    } catch (e) {
      client.signal.throwIfAborted()
      log.warning(`an alternate chain cannot be used: ${messageOf(e)}, ignoring it`)
    }
  }
  const found = [...new Set(ends)].map((end) => `'${end}'`).join(', ')
  log.warning(`the CA has no chain that ends with '${wanted}', only with ${found}: taking the first`, [
    "'preferredChain' is the common name of a root: set it to one of these, or remove it",
  ])
  return chain
}

/** The common name of who issued the last certificate: the root, whether it is sent along or not. */
function endOf(chain: readonly string[]): string {
  const { issuer } = new X509Certificate(chain.at(-1) ?? '')
  const line = issuer.split('\n').find((part) => part.startsWith('CN='))
  return (line ?? issuer.replaceAll('\n', ', ')).replace(/^CN=/, '').slice(0, 100)
}
