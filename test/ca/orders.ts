// Orders from the names to the certificate (RFC 8555 section 7.4).
import { createPublicKey } from 'node:crypto'
import { type Answer, jsonAnswer } from './answer.ts'
import { look, makeAuthz } from './authorizations.ts'
import { readCsr } from './csr.ts'
import { fromBase64url } from './jws.ts'
import { type Identifier, malformed, Problem, problemUrn } from './problem.ts'
import { spkiOf } from './revocation.ts'
import type { Authz, Order } from './store.ts'
import { type Call, hours, own, refusePayload, retryAfterHeader, type World } from './world.ts'

const dnsName = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$/

/** POST newOrder: 201 with a pending order (`ready` at once when all authorizations are there already). */
export function newOrder(world: World, { account, payload = {} }: Call): Answer {
  const { store, settings } = world
  const identifiers = readIdentifiers(payload['identifiers'])
  if ('notBefore' in payload || 'notAfter' in payload) throw malformed('this CA does not take notBefore and notAfter')
  refuseBlocked(identifiers, settings.blocked)
  const replaces = replacedBy(world, payload['replaces'])
  const authorizations = identifiers.map(({ value }) => {
    const valid = settings.reuseAuthorizations ? validAuthz(world, account.id, value) : undefined
    return valid ?? makeAuthz(world, account.id, value)
  })
  const order = store.orders.add(
    (id): Order => ({
      id,
      accountId: account.id,
      identifiers,
      authzIds: authorizations.map((authz) => authz.id),
      expires: hours(24),
      readyPolls: settings.polls.ready,
      replaces,
    }),
  )
  return view(world, order, 201)
}

/** POST-as-GET order/<n>: one look at the order and at its authorizations. */
export function order(world: World, call: Call): Answer {
  refusePayload(call)
  const found = own(call.account, world.store.orders.get(call.id))
  const authorizations = authorizationsOf(world, found)
  for (const authz of authorizations) look(authz)
  const answer = view(world, found, 200)
  const allValid = authorizations.every(({ status }) => status === 'valid')
  if (found.certificate !== undefined) found.certificate.polls--
  else if (allValid) found.readyPolls--
  return answer
}

/** POST order/<n>/finalize: judges the CSR and issues. */
export async function finalize(world: World, { account, id, jwk, payload = {} }: Call): Promise<Answer> {
  const { store, settings, authority } = world
  const found = own(account, store.orders.get(id))
  const status = statusOf(world, found)
  if (status !== 'ready') throw new Problem(403, 'orderNotReady', `the order is ${status}`)
  const names = found.identifiers.map(({ value }) => value)
  const spki = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' }).toString('base64')
  const request = await readCsr(fromBase64url(payload['csr'], 'csr'), names, spki)
  const issued = await authority.issue(request, settings.lifetime)
  if (store.blockedKeys.has(spkiOf(issued.leaf)))
    throw new Problem(400, 'badPublicKey', 'the key is known to be compromised')
  const certificate = store.certificates.add((number) => ({ id: number, accountId: account.id, issued }))
  found.certificate = { id: certificate.id, polls: settings.polls.certificate }
  return view(world, found, 200)
}

/** POST-as-GET certificate/<n>: the chain in PEM. */
export function certificate({ store, authority, settings }: World, call: Call): Answer {
  refusePayload(call)
  const { issued } = own(call.account, store.certificates.get(call.id))
  const headers = { 'Content-Type': 'application/pem-certificate-chain' }
  return { status: 200, headers, body: authority.download(issued, settings.chain) }
}

const authorizationsOf = ({ store }: World, { authzIds }: Order): Authz[] =>
  authzIds.map((id) => store.authorizations.get(id))

function statusOf(world: World, order: Order): 'pending' | 'ready' | 'processing' | 'valid' | 'invalid' {
  if (order.certificate !== undefined) return order.certificate.polls > 0 ? 'processing' : 'valid'
  const statuses = authorizationsOf(world, order).map(({ status }) => status)
  if (statuses.some((status) => status === 'invalid' || status === 'deactivated')) return 'invalid'
  return statuses.every((status) => status === 'valid') && order.readyPolls <= 0 ? 'ready' : 'pending'
}

function view(world: World, order: Order, httpStatus: number): Answer {
  const { urls } = world
  const status = statusOf(world, order)
  const failed = authorizationsOf(world, order).flatMap(({ challenges }) => challenges.flatMap((c) => c.error ?? []))
  const body = {
    status,
    expires: order.expires.toISOString(),
    identifiers: order.identifiers,
    authorizations: order.authzIds.map(urls.authz),
    finalize: urls.finalize(order.id),
    ...(status === 'invalid' && failed[0] !== undefined && { error: failed[0].document }),
    ...(status === 'valid' &&
      order.certificate !== undefined && { certificate: urls.certificate(order.certificate.id) }),
  }
  const waiting = status === 'pending' || status === 'processing' ? retryAfterHeader(world) : {}
  return jsonAnswer(httpStatus, body, { Location: urls.order(order.id), ...waiting })
}

const validAuthz = ({ store }: World, accountId: number, name: string): Authz | undefined =>
  store.authorizations.all.find(
    (authz) =>
      authz.accountId === accountId &&
      authz.status === 'valid' &&
      (authz.wildcard ? `*.${authz.identifier.value}` : authz.identifier.value) === name,
  )

function readIdentifiers(value: unknown): Identifier[] {
  if (!Array.isArray(value) || value.length === 0) throw malformed('identifiers is not a list with something in it')
  const identifiers = value.map((one: unknown): Identifier => {
    const { type, value: name } = (one ?? {}) as Record<string, unknown>
    if (typeof type !== 'string' || typeof name !== 'string') throw malformed('an identifier needs type and value')
    if (type !== 'dns') throw new Problem(400, 'unsupportedIdentifier', `only dns identifiers, not ${type}`)
    return { type, value: name }
  })
  const names = identifiers.map((identifier) => identifier.value)
  if (new Set(names).size !== names.length) throw malformed('a name stands twice in the order')
  const unusable = identifiers.filter((identifier) => !dnsName.test(identifier.value) || identifier.value.length > 253)
  refuse(unusable, 'is no DNS name in lower case')
  return identifiers
}

/** Throws for a certificate that another order replaces. */
function replacedBy({ store, settings: { alreadyReplaced } }: World, replaces: unknown): string | undefined {
  if (typeof replaces !== 'string') return undefined
  const isTaken = store.orders.all.some((order) => order.replaces === replaces)
  if (alreadyReplaced && isTaken)
    throw new Problem(alreadyReplaced.status, alreadyReplaced.type, 'the certificate has a replacement')
  return replaces
}

const refuseBlocked = (identifiers: readonly Identifier[], blocked: readonly string[]): void =>
  refuse(
    identifiers.filter(({ value }) => blocked.includes(value.replace(/^\*\./, ''))),
    'is forbidden by policy',
  )

/** One subproblem for each bad name (RFC 8555 section 6.7.1). */
function refuse(bad: readonly Identifier[], why: string): void {
  if (bad.length === 0) return
  const type = problemUrn('rejectedIdentifier')
  const subproblems = bad.map((identifier) => ({ type, detail: `'${identifier.value}' ${why}`, identifier }))
  const detail = `${bad.length} of the names cannot be certified`
  throw new Problem(400, 'rejectedIdentifier', detail, { subproblems })
}
