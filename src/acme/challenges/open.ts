// From the config's ways to solvers, and to what takes their traces away.
import type { Challenge } from '../../config/config.ts'
import { NixacmeError } from '../../errors.ts'
import { type OpenProvider, openProvider, providerNamed } from '../dns/providers.ts'
import { openResolver, type Resolver } from '../dns/resolver.ts'
import type { IssueRequest } from '../request.ts'
import type { Transport } from '../transport.ts'
import { dnsSolver, type RecordTrace, recordOf } from './dns.ts'
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
  const dns = new Dns(req)
  const groups = challenges.map(({ names, challenge }) => ({ names, solver: solverFor(challenge, req, dns) }))
  return new Solvers(groups, { ledger: Ledger.open(req.ledger, log), remove: (trace) => remove(trace, dns), log })
}

function solverFor(challenge: Challenge, req: SolversRequest, dns: Dns): Solver {
  const { groupGid, groupName, now, log, signal } = req
  switch (challenge.kind) {
    case 'webroot':
      return webrootSolver({ webroot: challenge.webroot, groupGid, groupName, now, log })
    case 'dns': {
      const { provider, propagationCheck } = challenge
      const open = () => dns.provider(provider)
      return dnsSolver({ provider, open, resolver: () => dns.resolver(), propagationCheck, signal, log })
    }
    default:
      throw new NixacmeError('config', `challenges of kind '${challenge.kind}' are not supported yet`)
  }
}

async function remove(trace: Trace, dns: Dns): Promise<void> {
  switch (trace.kind) {
    case 'file':
      return removeChallenge(trace.path)
    case 'record':
      return dns.removeRecord(trace)
    default:
      throw new NixacmeError('config', `challenges of kind '${trace.kind}' are not supported yet`)
  }
}

/** Providers and resolver, each opened once, when it is needed first. */
class Dns {
  readonly #req: SolversRequest
  readonly #providers = new Map<string, Promise<OpenProvider>>()
  /** The last removal of those that wait for each other. */
  readonly #removals = new Map<string, Promise<void>>()
  #resolver: Promise<Resolver> | undefined

  constructor(req: SolversRequest) {
    this.#req = req
  }

  /** Throws `config` (78) for one that is not known, or whose variables are missing. */
  provider(name: string): Promise<OpenProvider> {
    const opened = this.#providers.get(name) ?? this.#open(name)
    this.#providers.set(name, opened)
    return opened
  }

  /** Throws `config` (78) or `unavailable` (69) for a `dnsResolver` that cannot be asked. */
  resolver(): Promise<Resolver> {
    const { challenges, signal } = this.#req
    const [dnsResolver] = challenges.flatMap(({ challenge }) =>
      challenge.kind === 'dns' ? (challenge.resolver ?? []) : [],
    )
    this.#resolver ??= openResolver({ dnsResolver, signal })
    return this.#resolver
  }

  /** One after the other where the provider wants that, and always for one name: many write its values as one set. */
  async removeRecord(trace: RecordTrace): Promise<void> {
    const { provider, oneByOne } = await this.provider(trace.provider)
    const queue = oneByOne ? trace.provider : `${trace.provider} ${trace.name}`
    const before = this.#removals.get(queue) ?? Promise.resolve()
    const removal = before.catch(() => undefined).then(() => provider.cleanUp(recordOf(trace)))
    this.#removals.set(queue, removal)
    return removal
  }

  async #open(name: string): Promise<OpenProvider> {
    const { variables: variable, challenges: _, ...rest } = this.#req
    const definition = providerNamed(name)
    if (!definition)
      throw new NixacmeError('config', `there is no DNS provider '${name}'`, {
        hints: ['\'nixacme dns list\' names them; engine = "lego" has more'],
      })
    const zoneOf = async (one: string) => (await this.resolver()).zoneOf(one)
    return openProvider(definition, { ...rest, variable, zoneOf })
  }
}
