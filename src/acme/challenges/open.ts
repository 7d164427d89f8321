// From the config's ways to solvers, and to what takes their traces away.
import type { Challenge } from '../../config/config.ts'
import { NixacmeError } from '../../errors.ts'
import type { IssueRequest } from '../request.ts'
import type { Transport } from '../transport.ts'
import type { Dns } from './dns-work.ts'
import { Ledger, type Trace } from './ledger.ts'
import type { Solver } from './solver.ts'
import { Solvers } from './solvers.ts'
import { removeChallenge, webrootSolver } from './webroot.ts'

export interface SolversRequest
  extends Pick<
    IssueRequest,
    | 'challenges'
    | 'ledger'
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
  let opened: Promise<Dns> | undefined
  // All providers together: for certificates that need one.
  const dns = () => {
    opened ??= import('./dns-work.ts').then(({ Dns }) => new Dns(req))
    return opened
  }
  const groups = challenges.map(({ names, challenge }) => ({ names, solver: solverFor(challenge, req, dns) }))
  return new Solvers(groups, { ledger: Ledger.open(req.ledger, log), remove: (trace) => remove(trace, dns), log })
}

function solverFor(challenge: Challenge, req: SolversRequest, dns: () => Promise<Dns>): Solver {
  const { groupGid, groupName, now, log } = req
  switch (challenge.kind) {
    case 'webroot':
      return webrootSolver({ webroot: challenge.webroot, groupGid, groupName, now, log })
    case 'dns':
      return dnsSolver(challenge, dns)
    default:
      throw new NixacmeError('config', `challenges of kind '${challenge.kind}' are not supported yet`)
  }
}

async function remove(trace: Trace, dns: () => Promise<Dns>): Promise<void> {
  switch (trace.kind) {
    case 'file':
      return removeChallenge(trace.path)
    case 'record':
      return (await dns()).removeRecord(trace)
    default:
      throw new NixacmeError('config', `challenges of kind '${trace.kind}' are not supported yet`)
  }
}

/** dns-01: what does it is loaded when it is needed. */
function dnsSolver(challenge: Challenge & { readonly kind: 'dns' }, dns: () => Promise<Dns>): Solver {
  const { provider } = challenge
  return {
    type: 'dns-01',
    hint: `the CA must find the TXT record '_acme-challenge.<name>' that '${provider}' makes: 'nixacme dns test' shows where it is missing`,
    async prepare() {
      await (await dns()).provider(provider)
    },
    present: async (presentations, note) => (await dns()).present(challenge, presentations, note),
  }
}
