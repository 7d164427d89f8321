// From the config's ways to solvers, and to what takes their traces away.
import type { Challenge } from '../../config/config.ts'
import { NixacmeError } from '../../errors.ts'
import type { IssueRequest } from '../request.ts'
import { Ledger, type Trace } from './ledger.ts'
import type { Solver } from './solver.ts'
import { Solvers } from './solvers.ts'
import { removeChallenge, webrootSolver } from './webroot.ts'

/** The solvers for all names of a request. Reads what an earlier run has left; nothing is sent. */
export function openSolvers(req: IssueRequest): Solvers {
  const { log } = req
  const groups = req.challenges.map(({ names, challenge }) => ({ names, solver: solverFor(challenge, req) }))
  return new Solvers(groups, { ledger: Ledger.open(req.ledger, log), remove, log })
}

function solverFor(challenge: Challenge, { groupGid, groupName, now, log }: IssueRequest): Solver {
  switch (challenge.kind) {
    case 'webroot':
      return webrootSolver({ webroot: challenge.webroot, groupGid, groupName, now, log })
    default:
      throw new NixacmeError('config', `challenges of kind '${challenge.kind}' are not supported yet`)
  }
}

async function remove(trace: Trace): Promise<void> {
  switch (trace.kind) {
    case 'file':
      return removeChallenge(trace.path)
    default:
      throw new NixacmeError('config', `challenges of kind '${trace.kind}' are not supported yet`)
  }
}
