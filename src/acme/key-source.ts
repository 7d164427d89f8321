// Where the certificate's key comes from: a new one, the present one again, or that of a request of the operator's own.
// What is there already is looked at before the CA is asked for anything.
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { generateKey } from '../certificate/keys.ts'
import type { OwnRequest } from '../config/config.ts'
import { hasCode, NixacmeError, systemWord } from '../errors.ts'
import type { KeyAndRequest } from './order.ts'
import type { IssueRequest } from './request.ts'

export interface PreparedKey {
  /** PEM of a key that is there already; undefined: it is still to be made. */
  readonly keyPem: string | undefined
  /**
   * The request for the CA, with its key: made once the order is there, while the CA validates. `stored`: the key that an
   * earlier run made for this order.
   */
  makeRequest(stored: string | undefined): Promise<KeyAndRequest>
}

type Wish = Pick<IssueRequest, 'key' | 'keyType' | 'names' | 'mustStaple'>

/**
 * Reads what has to be read. Throws `config` (78) for a request or key that cannot be used or are not for these names,
 * `permission` (77) where they may not be read.
 */
export async function prepareKey({ key, keyType, names, mustStaple }: Wish): Promise<PreparedKey> {
  if (key.kind === 'request') {
    const own = await ownRequest(key, names)
    return { keyPem: own.keyPem, makeRequest: async () => own }
  }
  const kept = key.kind === 'keep' ? key.pem : undefined
  return {
    keyPem: kept,
    async makeRequest(stored) {
      // Loaded while the CA validates: the X.509 library takes longer than any of our requests.
      const { buildCsr } = await import('../certificate/csr.ts')
      const keyPem = kept ?? stored ?? (await generateKey(keyType))
      return { keyPem, csr: await buildCsr(keyPem, names, { mustStaple }) }
    },
  }
}

async function ownRequest(paths: OwnRequest, names: readonly string[]): Promise<KeyAndRequest> {
  const files = { request: readOwn(paths.request, 'csr'), key: readOwn(paths.key, 'csrKey'), paths }
  const { readOwnRequest } = await import('../certificate/own-request.ts')
  return readOwnRequest(files, names)
}

function readOwn(path: string, option: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const kind = hasCode(cause, 'EACCES', 'EPERM') ? 'permission' : 'config'
    const hints = kind === 'permission' ? ["the user who renews, as a rule 'acme', must be able to read it"] : []
    throw new NixacmeError(kind, `cannot read '${path}' of option '${option}': ${systemWord(cause)}`, { cause, hints })
  }
}

const publicHalf = (pem: string): Buffer =>
  createPublicKey(createPrivateKey(pem)).export({ format: 'der', type: 'spki' })

/** A certificate's key must not be an account's (RFC 8555 §11.1): CAs refuse it. Throws `refused` (76). */
export function refuseAccountKey(keyPem: string, accountKey: string, { kind }: IssueRequest['key']): void {
  if (!publicHalf(keyPem).equals(publicHalf(accountKey))) return
  throw new NixacmeError('refused', "the certificate's key is the key of the account, which no CA certifies", {
    hints: [
      kind === 'keep' ? 'set keyReuse = false to have a new key' : "make 'csr' and 'csrKey' with a key of their own",
    ],
  })
}
