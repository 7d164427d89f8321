// From a request to the right answer of an honest CA.
import { signedByAccount, signedByKey } from './access.ts'
import { account, newAccount, orders } from './accounts.ts'
import { type Answer, jsonAnswer, problemAnswer } from './answer.ts'
import type { CertificateFlaw } from './authority.ts'
import { authz, challenge } from './authorizations.ts'
import { keyChange } from './key-change.ts'
import { certificate, finalize, newOrder, order } from './orders.ts'
import { malformed, notFound, Problem } from './problem.ts'
import { renewalInfo } from './renewal-info.ts'
import { revokeCert } from './revocation.ts'
import type { RequestKind } from './routes.ts'
import type { PlainRequest } from './server.ts'
import type { Call, World } from './world.ts'

export interface RoutedRequest extends PlainRequest {
  readonly kind: RequestKind
  /** The number in the path. */
  readonly id: number
  readonly url: string
  readonly nonceIsGood: boolean
}

type Endpoint = (world: World, call: Call) => Answer | Promise<Answer>

const endpoints = {
  account,
  orders,
  keyChange,
  newOrder,
  order,
  finalize,
  authz,
  challenge,
  certificate,
} satisfies Partial<Record<RequestKind, Endpoint>>

/** Never throws a `Problem`: a refusal is an answer too. */
export async function dispatch(world: World, request: RoutedRequest): Promise<Answer> {
  const { kind, id, method, userAgent } = request
  try {
    if (!userAgent) throw malformed('User-Agent is missing') // RFC 8555 section 6.1
    if (kind === 'unknown') throw notFound('resource')
    if (kind === 'directory' || kind === 'newNonce' || kind === 'renewalInfo') return unsigned(world, request, kind)
    if (method !== 'POST') throw new Problem(405, 'malformed', 'this resource is for POST only')
    if (kind === 'newAccount') return newAccount(world, signedByKey(request))
    if (kind === 'revokeCert') return revokeCert(world, request)
    const endpoint: Endpoint = endpoints[kind]
    return await endpoint(world, { id, ...signedByAccount(request, world.store, world.urls.account) })
  } catch (e) {
    if (e instanceof Problem) return problemAnswer(e.document)
    throw e
  }
}

/** A certificate download with `flaw`; every other request, and a refused one, as it is. */
export async function dispatchFlawed(world: World, request: RoutedRequest, flaw: CertificateFlaw): Promise<Answer> {
  const answer = await dispatch(world, request)
  if (request.kind !== 'certificate' || answer.status !== 200) return answer
  const { issued } = world.store.certificates.get(request.id)
  return { ...answer, body: await world.authority.flawed(issued, flaw) }
}

function unsigned(
  world: World,
  { method, path }: RoutedRequest,
  kind: 'directory' | 'newNonce' | 'renewalInfo',
): Answer {
  const { urls, settings } = world
  if (method !== 'GET' && method !== 'HEAD') throw new Problem(405, 'malformed', 'this resource is for GET')
  if (kind === 'renewalInfo') return renewalInfo(world, path)
  if (kind === 'newNonce') return { status: method === 'HEAD' ? 200 : 204, headers: {}, body: '' }
  const { terms, externalAccounts, caaIdentities } = settings
  const meta = {
    ...(terms && { termsOfService: urls.terms }),
    externalAccountRequired: externalAccounts !== null,
    ...(caaIdentities.length > 0 && { caaIdentities }),
  }
  return jsonAnswer(200, {
    newNonce: urls.newNonce,
    newAccount: urls.newAccount,
    newOrder: urls.newOrder,
    revokeCert: urls.revokeCert,
    keyChange: urls.keyChange,
    ...(settings.renewalInfo && { renewalInfo: urls.renewalInfo }),
    meta,
  })
}
