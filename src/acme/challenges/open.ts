// From the config's ways to solvers, and to what takes their traces away.
import type { Challenge } from '../../config/config.ts'
import { unreachable } from '../../errors.ts'
import type { IssueRequest } from '../request.ts'
import type { Transport } from '../transport.ts'
import type { Dns } from './dns-work.ts'
import { inheritedSockets } from './inherited.ts'
import { Ledger, type Trace } from './ledger.ts'
import { listenSolver } from './listen.ts'
import { removeObject, type S3Options, s3Solver } from './s3.ts'
import { type ListenKind, removeAnswer } from './shared-answers.ts'
import type { Solver, StandingProof } from './solver.ts'
import { Solvers } from './solvers.ts'
import { removeChallenge, webrootSolver } from './webroot.ts'

/** Milliseconds for taking everything away: less than systemd gives a service to stop. */
const farewell = 45_000

export interface SolversRequest
  extends Pick<
    IssueRequest,
    | 'challenges'
    | 'ledger'
    | 'challengeFolder'
    | 'groupGid'
    | 'groupName'
    | 'variables'
    | 'credentials'
    | 'isAttended'
    | 'env'
    | 'now'
    | 'signal'
    | 'log'
    | 'userAgent'
  > {
  readonly transport: Transport
}

/** The solvers for all names of a request. Reads what an earlier run has left; nothing is sent. */
export function openSolvers(req: SolversRequest): Solvers {
  const { log, challenges } = req
  const dns = dnsOf(req)
  const groups = challenges.map(({ names, challenge }) => ({ names, solver: solverFor(challenge, req, dns) }))
  const remover = () => {
    // The order may have run out of time, or been stopped: what is left of it is removed all the same.
    const last = { ...req, signal: AbortSignal.timeout(farewell) }
    const lastDns = dnsOf(last)
    return (trace: Trace) => remove(trace, last, lastDns)
  }
  return new Solvers(groups, { ledger: Ledger.open(req.ledger, log), remover, log })
}

/** All providers together: loaded for certificates that need one. */
function dnsOf(req: SolversRequest): () => Promise<Dns> {
  let opened: Promise<Dns> | undefined
  return () => {
    opened ??= import('./dns-work.ts').then(({ Dns }) => new Dns(req))
    return opened
  }
}

function solverFor(challenge: Challenge, req: SolversRequest, dns: () => Promise<Dns>): Solver | StandingProof {
  const { groupGid, groupName, now, log } = req
  switch (challenge.kind) {
    case 'webroot':
      return webrootSolver({ webroot: challenge.webroot, groupGid, groupName, now, log })
    case 'dns':
      return dnsSolver(challenge, dns)
    case 'dns-persist':
      return standingProof(challenge, dns)
    case 'listen-http':
      return listener('http', challenge.address, req)
    case 'listen-tls':
      return listener('tls', challenge.address, req)
    case 's3':
      return s3Solver(s3Options(challenge.bucket, req))
    default:
      return unreachable(challenge)
  }
}

function listener(kind: ListenKind, address: string, req: SolversRequest): Solver {
  const { challengeFolder: folder, env, now, signal, log } = req
  return listenSolver({
    kind,
    address,
    folder,
    inherited: inheritedSockets({ env, pid: process.pid }, kind),
    now,
    signal,
    log,
  })
}

function s3Options(bucket: string, req: SolversRequest): S3Options {
  const { variables: variable, transport, userAgent, now, log, signal } = req
  return { bucket, variable, transport, userAgent, now, signal, log }
}

async function remove(trace: Trace, req: SolversRequest, dns: () => Promise<Dns>): Promise<void> {
  switch (trace.kind) {
    case 'file':
      return removeChallenge(trace.path)
    case 'answer':
      return removeAnswer(req.challengeFolder, trace.path)
    case 'object':
      return removeObject(trace.key, s3Options(trace.bucket, req))
    case 'record':
      return (await dns()).removeRecord(trace)
    default:
      return unreachable(trace)
  }
}

/** dns-01 and dns-account-01: what does it is loaded when it is needed. */
function dnsSolver(challenge: Challenge & { readonly kind: 'dns' }, dns: () => Promise<Dns>): Solver {
  const { provider, accountLabel } = challenge
  const place = `${accountLabel ? '_<label>.' : ''}_acme-challenge.<name>`
  return {
    type: accountLabel ? 'dns-account-01' : 'dns-01',
    hint: `the CA must find the TXT record '${place}' that '${provider}' makes: 'nixacme dns test' shows where it is missing`,
    prepare: async () => (await dns()).prepare(challenge),
    present: async (presentations, note) => (await dns()).present(challenge, presentations, note),
  }
}

/** dns-persist-01, likewise. */
const standingProof = (
  challenge: Challenge & { readonly kind: 'dns-persist' },
  dns: () => Promise<Dns>,
): StandingProof => ({
  type: 'dns-persist-01',
  issuer: challenge.issuer,
  hint: "the CA must find the TXT record '_validation-persist.<name>' as 'nixacme plan' prints it",
  verify: async (names, accountUrl) => (await dns()).verify(challenge, names, accountUrl),
})
