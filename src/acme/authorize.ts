// Showing control over the names of an order (RFC 8555 §7.5): every challenge is presented before the first is answered,
// the CA then looks at all of them together, and whatever happens nothing stays behind.
import { NixacmeError } from '../errors.ts'
import type { Solver } from './challenges/solver.ts'
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
  readonly solver: Solver
  readonly diary: Pick<Diary, 'answering'>
  /** Of the order, in its order. */
  readonly names: readonly string[]
  readonly states: Map<string, Authorization>
  /** URLs of those whose challenge was answered: the CA decides them by itself. */
  readonly answered: Set<string>
  /** Told the tokens of the challenges that are about to be presented. */
  presenting(tokens: readonly string[]): void
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
  const { client, solver, diary } = authorizations
  await all(urls.map((url) => fetchState(authorizations, url)))
  // One that is valid from an earlier order needs no challenge.
  const open = [...authorizations.states]
    .filter(([, { status }]) => status !== 'valid')
    .map(([authorization, state]) => ({ authorization, name: state.name, challenge: challengeOf(state, solver) }))
  if (open.length > 0) authorizations.presenting(open.map(({ challenge: { token } }) => token))
  for (const { name, challenge } of open)
    solver.present({ name, token: challenge.token, keyAuthorization: client.keyAuthorization(challenge.token) })
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
  const { status, challenges } = await fetchState(authorizations, url)
  return status !== 'pending' || challengeOfType(challenges, authorizations.solver)?.status === 'processing'
}

const challengeOfType = (challenges: readonly ChallengeObject[], { type }: Solver): ChallengeObject | undefined =>
  challenges.find((challenge) => challenge.type === type)

function challengeOf({ name, status, challenges }: Authorization, solver: Solver): ChallengeObject & { token: string } {
  if (status !== 'pending')
    throw new NixacmeError('refused', `the CA holds the authorization for '${name}' as '${status}'`)
  const challenge = challengeOfType(challenges, solver)
  if (challenge?.token !== undefined) return { ...challenge, token: challenge.token }
  const offered = challenges.map((c) => c.type.slice(0, 40)).join(', ')
  throw new NixacmeError(
    'refused',
    `the CA offers no ${solver.type} challenge for '${name}', only: ${offered || 'none'}`,
  )
}

/** Why the order became invalid: the typed problems of all names that failed, in one AcmeProblem with a hint line each. */
export async function validationFailure(authorizations: Authorizations): Promise<AcmeProblem | undefined> {
  const { client, states, solver, names } = authorizations
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
  const quoted = subproblems.map(({ name }) => `'${name}'`).slice(0, 10)
  return new AcmeProblem(problem, {
    refused: `the proof of control over ${quoted.join(', ')}`,
    hints: [solver.hint],
    unproven: subproblems.flatMap(({ name }) => name ?? []),
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
export async function leave({ client, solver, states, answered }: Authorizations, failure: unknown): Promise<void> {
  solver.cleanUp()
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
