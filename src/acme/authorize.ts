// Showing control over the names of an order (RFC 8555 §7.5): every challenge is presented before the first is answered,
// the CA then looks at all of them together, and whatever happens nothing stays behind.
import { NixacmeError } from '../errors.ts'
import type { Solvers } from './challenges/solvers.ts'
import type { AcmeClient } from './client.ts'
import { pause } from './pace.ts'
import { endsOrder } from './pending-order.ts'
import { AcmeProblem, type Problem, problemType } from './problem.ts'
import type { Diary } from './request.ts'
import { type Authorization, type ChallengeObject, readAuthorization, readChallenge } from './types.ts'

/** Seconds that a failed run may spend on telling the CA that its open authorizations are not wanted any more. */
const farewell = 3
/** An order is invalid with its first name; so long, in rounds of one second, the reasons of the others are waited for. */
const roundsForReasons = 3

/** The authorizations of one order and where each stands. */
export interface Authorizations {
  readonly client: AcmeClient
  readonly solvers: Solvers
  readonly diary: Pick<Diary, 'answering'>
  /** Of the order, in its order. */
  readonly names: readonly string[]
  readonly states: Map<string, Authorization>
  /** URLs of those whose challenge was answered: the CA decides them by itself. */
  readonly answered: Set<string>
  /** Told that challenges are about to be presented. */
  presenting(): void
}

/** Waits for all of them even when one fails, so that no request is under way when the clean-up begins. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

const fetchState = async ({ client, states }: Authorizations, url: string): Promise<Authorization> => {
  const { body } = await client.post(url, { refused: 'the request for an authorization', read: readAuthorization })
  states.set(url, body)
  return body
}

/** Fetches the authorizations, presents the challenge of each pending one, and answers them all. Throws as `post`. */
export async function answerChallenges(authorizations: Authorizations, urls: readonly string[]): Promise<void> {
  const { client, solvers, diary } = authorizations
  await all(urls.map((url) => fetchState(authorizations, url)))
  // One that is valid from an earlier order needs no challenge.
  const open = [...authorizations.states]
    .filter(([, { status }]) => status !== 'valid')
    .map(([authorization, { name, isWildcard, ...state }]) => {
      const challenge = challengeOf({ name, isWildcard, ...state }, solvers)
      return { authorization, name, isWildcard, challenge }
    })
  if (open.length > 0) authorizations.presenting()
  const { accountUrl } = client
  const presentations = open.flatMap(({ name, isWildcard, challenge: { token } }) =>
    token === undefined
      ? []
      : { name, isWildcard, token, keyAuthorization: client.keyAuthorization(token), accountUrl },
  )
  await solvers.present(presentations)
  if (open.length > 0) diary.answering(open.map(({ name }) => name))
  await all(
    open.map(async ({ authorization, name, challenge: { url, status } }) => {
      authorizations.answered.add(authorization)
      // One that an earlier run has answered is being looked at already.
      if (status === 'processing') return
      try {
        await client.post(url, { payload: {}, refused: `the challenge for '${name}'`, read: readChallenge })
      } catch (e) {
        if (!(await isUnderWay(authorizations, authorization, e))) throw e
      }
    }),
  )
}

/**
 * CAs refuse the answer to a challenge that they have one for: the first try got through and its answer was lost. The
 * authorization tells; what has become of it, the order does.
 */
async function isUnderWay(authorizations: Authorizations, url: string, e: unknown): Promise<boolean> {
  if (!(e instanceof AcmeProblem) || e.kind !== 'refused') return false
  const state = await fetchState(authorizations, url)
  return state.status !== 'pending' || ourChallenge(state, authorizations.solvers)?.status === 'processing'
}

const ourChallenge = (
  { name, isWildcard, challenges }: Authorization,
  solvers: Solvers,
): ChallengeObject | undefined => {
  const type = solvers.typeFor(name, isWildcard)
  return challenges.find((challenge) => challenge.type === type)
}

/** The challenge to answer; without a token for what is proven by something that stands there already. */
function challengeOf(state: Authorization, solvers: Solvers): ChallengeObject {
  const { name, isWildcard, status, challenges } = state
  if (status !== 'pending')
    throw new NixacmeError('refused', `the CA holds the authorization for '${name}' as '${status}'`)
  const challenge = ourChallenge(state, solvers)
  const issuer = solvers.issuerFor(name, isWildcard)
  if (challenge && issuer !== undefined) {
    if (challenge.issuers.includes(issuer)) return { ...challenge, token: undefined }
    throw otherIssuer(name, issuer, challenge)
  }
  if (challenge?.token !== undefined) return challenge
  const offered = challenges.map((c) => c.type.slice(0, 40)).join(', ')
  throw new NixacmeError(
    'refused',
    `the CA offers no ${solvers.typeFor(name, isWildcard)} challenge for '${name}', only: ${offered || 'none'}`,
  )
}

function otherIssuer(name: string, issuer: string, { issuers }: ChallengeObject): NixacmeError {
  const words = issuers.map((one) => `'${one}'`).join(', ')
  return new NixacmeError(
    'refused',
    `the CA does not take records for '${issuer}' as a proof of '${name}', only for: ${words || 'none'}`,
    { hints: ["set 'dnsPersist' to one of the CA's names"] },
  )
}

/** Why the order became invalid: the typed problems of all names that failed, in one AcmeProblem with a hint line each. */
export async function validationFailure(authorizations: Authorizations): Promise<AcmeProblem | undefined> {
  const { client, states, solvers, names } = authorizations
  for (let round = 0; ; round++) {
    const open = [...states].filter(([, { status }]) => status === 'pending').map(([url]) => url)
    await all(open.map((url) => fetchState(authorizations, url)))
    const undecided = [...states.values()].some(({ status }) => status === 'pending')
    if (!undecided || round === roundsForReasons) break
    await pause(1, client.signal)
  }
  const failed = [...states.values()].filter(({ status }) => status !== 'valid' && status !== 'pending')
  failed.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
  const [first, ...others] = failed.map(problemFor)
  if (!first) return undefined
  const subproblems = [first, ...others]
  const same = others.every(({ type }) => type === first.type)
  const problem: Problem = {
    type: same ? first.type : problemType('compound'),
    detail: others.length === 0 ? first.detail : `${subproblems.length} of ${states.size} names failed`,
    status: undefined,
    name: undefined,
    subproblems,
  }
  const unproven = subproblems.flatMap(({ name }) => name ?? [])
  const quoted = unproven.map((name) => `'${name}'`).slice(0, 10)
  return new AcmeProblem(problem, {
    refused: `the proof of control over ${quoted.join(', ')}`,
    hints: solvers.hintsFor(unproven),
    unproven,
  })
}

function problemFor({ name, status, challenges }: Authorization): Problem {
  const problem = challenges.find(({ error }) => error !== undefined)?.error
  if (problem) return { ...problem, name }
  return { type: 'about:blank', detail: `its authorization is ${status}`, status: undefined, name, subproblems: [] }
}

/**
 * Takes the challenges away and, when nothing can come of the order any more, gives those authorizations back that nobody
 * answered (RFC 8555 §7.5.2): CAs limit how many an account may have open. The others the CA closes by itself, and what it
 * finds valid serves the next order; besides, Pebble 2.10 locks up when one is deactivated while it validates. Never
 * throws, and takes a few seconds at most.
 */
export async function leave({ client, solvers, states, answered }: Authorizations, failure: unknown): Promise<void> {
  await solvers.cleanUp()
  if (failure === undefined || !endsOrder(failure)) return
  const last = client.under(AbortSignal.timeout(1000 * farewell))
  const open = [...states].filter(([url, { status }]) => status === 'pending' && !answered.has(url)).map(([url]) => url)
  const payload = { status: 'deactivated' }
  await Promise.allSettled(
    open.map((url) =>
      last.post(url, { payload, refused: 'the deactivation of an authorization', read: readAuthorization }),
    ),
  )
}
