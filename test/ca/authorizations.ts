// Authorizations and challenges (RFC 8555 section 7.5). The CA judges while it answers the challenge's POST; how many
// looks later the verdict is shown is a setting.
import { randomBytes } from 'node:crypto'
import { type Answer, jsonAnswer } from './answer.ts'
import { malformed, Problem } from './problem.ts'
import type { Authz, Challenge } from './store.ts'
import { checkHttp01 } from './validate.ts'
import { type Call, hours, own, retryAfterHeader, type World } from './world.ts'

const typesWithToken = ['http-01', 'dns-01', 'tls-alpn-01']

/** A pending authorization for `name` with the challenges of the settings; a wildcard gets dns-01 alone. */
export function makeAuthz({ store, settings }: World, accountId: number, name: string): Authz {
  const wildcard = name.startsWith('*.')
  const types = settings.challengeTypes.filter((type) => !wildcard || type === 'dns-01')
  const authz = store.authorizations.add(
    (id): Authz => ({
      id,
      accountId,
      identifier: { type: 'dns', value: wildcard ? name.slice(2) : name },
      wildcard,
      expires: hours(24),
      challenges: [],
      status: 'pending',
    }),
  )
  authz.challenges = types.map((type) =>
    store.challenges.add((id): Challenge => {
      const token = typesWithToken.includes(type) ? randomBytes(32).toString('base64url') : undefined
      return { id, authzId: authz.id, type, token, status: 'pending' }
    }),
  )
  return authz
}

/** One look at an authorization: the verdict shows when its polls are used up. */
export function look(authz: Authz): void {
  const { verdict } = authz
  if (verdict === undefined || authz.status !== 'pending') return
  if (verdict.polls-- > 0) return
  const { challenge, problem } = verdict
  authz.status = challenge.status = problem === undefined ? 'valid' : 'invalid'
  if (problem === undefined) challenge.validated = new Date()
  else challenge.error = problem
}

/** POST authz/<n>: read, or `{"status":"deactivated"}` (RFC 8555 section 7.5.2). */
export function authz(world: World, { account, id, payload }: Call): Answer {
  const found = own(account, world.store.authorizations.get(id))
  if (payload !== undefined) {
    if (payload['status'] !== 'deactivated') throw malformed('an authorization can only be deactivated')
    if (found.status !== 'pending' && found.status !== 'valid') throw malformed(`it is ${found.status} already`)
    found.status = 'deactivated'
  }
  look(found)
  const body = {
    status: found.status,
    expires: found.expires.toISOString(),
    identifier: found.identifier,
    ...(found.wildcard && { wildcard: true }),
    challenges: found.challenges.map((challenge) => view(world, challenge)),
  }
  return jsonAnswer(200, body, found.status === 'pending' ? retryAfterHeader(world) : {})
}

/** POST challenge/<n>: `{}` says that it is ready (RFC 8555 section 7.5.1), POST-as-GET reads it. */
export async function challenge(world: World, { account, id, payload, thumbprint }: Call): Promise<Answer> {
  const found = world.store.challenges.get(id)
  const parent = own(account, world.store.authorizations.get(found.authzId))
  if (payload === undefined) {
    look(parent)
  } else if (parent.status === 'pending' && found.status === 'pending' && parent.verdict === undefined) {
    found.status = 'processing'
    const problem = await judge(world, parent, found, thumbprint)
    parent.verdict = { challenge: found, problem, polls: world.settings.polls.authz }
  }
  const waiting = found.status === 'processing' ? retryAfterHeader(world) : {}
  return jsonAnswer(200, view(world, found), { Link: `<${world.urls.authz(parent.id)}>;rel="up"`, ...waiting })
}

async function judge(
  { settings }: World,
  { identifier }: Authz,
  { type, token }: Challenge,
  thumbprint: string,
): Promise<Problem | undefined> {
  if (settings.validate === 'always') return undefined
  const more = { identifier }
  if (settings.validate === 'never') return new Problem(403, 'incorrectResponse', 'no challenge is good enough', more)
  if (type !== 'http-01' || token === undefined) {
    return new Problem(400, 'connection', `this CA cannot look up ${type}`, more)
  }
  return checkHttp01(identifier.value, token, `${token}.${thumbprint}`, settings.httpPort)
}

const view = ({ urls }: World, { id, type, token, status, validated, error }: Challenge) => ({
  type,
  url: urls.challenge(id),
  status,
  ...(token !== undefined && { token }),
  ...(validated !== undefined && { validated: validated.toISOString() }),
  ...(error !== undefined && { error: error.document }),
})
