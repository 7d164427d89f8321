// Another key for an account (RFC 8555 section 7.3.5), and accounts bound to those of somebody's web site (7.3.4).
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Answer, jsonAnswer } from './answer.ts'
import { fromBase64url, type Jws, parseObject, readJwk, readJws, thumbprintOf, verifyJws } from './jws.ts'
import { malformed, Problem } from './problem.ts'
import type { Call, World } from './world.ts'

/** POST key-change: signed by the old key, and in it the change, signed by the new one. */
export function keyChange({ store, urls }: World, { account, payload, thumbprint }: Call): Answer {
  if (payload === undefined) throw malformed('a key change needs a payload')
  const inner = readJws(payload)
  if ('nonce' in inner.header || 'kid' in inner.header) throw malformed('the inner header has jwk, no nonce and no kid')
  const jwk = readJwk(inner.header['jwk'])
  verifyJws(inner, jwk)
  if (inner.header['url'] !== urls.keyChange) throw malformed('the inner header is for another URL')
  const change = parseObject(inner.payload.toString(), 'the inner payload')
  if (change['account'] !== urls.account(account.id)) throw malformed('the change is of another account')
  if (thumbprintOf(readJwk(change['oldKey'])) !== thumbprint) throw malformed('oldKey is not the old key')
  const wanted = thumbprintOf(jwk)
  const other = store.accounts.all.find((one) => one.thumbprint === wanted)
  if (other !== undefined) {
    const refusal = new Problem(409, 'malformed', 'another account has this key')
    return { ...jsonAnswer(409, refusal.document, { Location: urls.account(other.id) }) }
  }
  account.jwk = jwk
  account.thumbprint = wanted
  return { status: 200, headers: {}, body: '' }
}

/** Throws unless a newAccount for this key is bound as the settings want it. */
export function assertBound({ settings, urls }: World, binding: unknown, thumbprint: string): void {
  const { externalAccounts } = settings
  if (externalAccounts === null) return
  if (binding === undefined) throw new Problem(403, 'externalAccountRequired', 'an external account is needed')
  const jws = readJws(binding)
  const { alg, kid, url } = jws.header
  if (alg !== 'HS256' || 'nonce' in jws.header || url !== urls.newAccount)
    throw malformed('the binding has a wrong header')
  const key = typeof kid === 'string' ? externalAccounts[kid] : undefined
  if (key === undefined) throw new Problem(403, 'unauthorized', 'the key id is unknown')
  if (!isBy(jws, key)) throw new Problem(403, 'unauthorized', 'the MAC does not fit')
  if (thumbprintOf(readJwk(parseObject(jws.payload.toString(), 'the binding'))) !== thumbprint)
    throw malformed('the binding is for another key')
}

function isBy({ signedText, signature }: Jws, key: string): boolean {
  const mac = createHmac('sha256', fromBase64url(key, 'the setting')).update(signedText).digest()
  return mac.length === signature.length && timingSafeEqual(mac, signature)
}
