// The ways in which the names of one certificate are proven, as one: each name by its own, all of them side by side, and
// whatever happens nothing stays behind, not even what an earlier run left that was killed.
import { messageOf, NixacmeError, ProofError } from '../../errors.ts'
import { provenName } from '../../job/limits.ts'
import type { Log } from '../../log.ts'
import type { Ledger, Trace } from './ledger.ts'
import type { ChallengeType, Presentation, Solver, StandingProof } from './solver.ts'
import { isToken } from './token.ts'

/** Takes one trace away; it being gone already is no fault. Throws `config` (78) where nothing of the config can. */
export type Remove = (trace: Trace) => Promise<void>

export interface SolverGroup {
  readonly names: readonly string[]
  readonly solver: Solver | StandingProof
}

export interface SolversOptions {
  readonly ledger: Ledger
  /** Makes what takes traces away, anew for each clean-up. */
  readonly remover: () => Remove
  readonly log: Log
}

const isStanding = (solver: Solver | StandingProof): solver is StandingProof => solver.type === 'dns-persist-01'

async function proving(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (e) {
    throw e instanceof NixacmeError ? new ProofError(e) : e
  }
}

export class Solvers {
  readonly #groups: readonly SolverGroup[]
  readonly #ledger: Ledger
  readonly #remover: () => Remove
  readonly #log: Log
  /** What could not be taken away, each tried once: that may have taken all the time that a clean-up has. */
  readonly #staying = new Set<Trace>()

  constructor(groups: readonly SolverGroup[], { ledger, remover, log }: SolversOptions) {
    this.#groups = groups
    this.#ledger = ledger
    this.#remover = remover
    this.#log = log
  }

  /** Throws ProofError for what `Solver.prepare` throws. */
  async prepare(): Promise<void> {
    for (const { solver } of this.#groups) if (!isStanding(solver)) await proving(async () => solver.prepare())
  }

  /** Looks at what must stand there already, before anything is ordered. Throws ProofError likewise. */
  async verify(accountUrl: string): Promise<void> {
    for (const { solver, names } of this.#groups)
      if (isStanding(solver)) await proving(() => solver.verify(names, accountUrl))
  }

  /** How a name is proven; a wildcard's authorization has the name without its `*.`. */
  typeFor(name: string, isWildcard: boolean): ChallengeType {
    return this.#solverOf(name, isWildcard).type
  }

  /** Of a name whose proof stands there already, the CA's domain name in it: its challenge has no token. */
  issuerFor(name: string, isWildcard: boolean): string | undefined {
    const solver = this.#solverOf(name, isWildcard)
    return isStanding(solver) ? solver.issuer : undefined
  }

  /** What to look at when these names could not be validated. */
  hintsFor(names: readonly string[]): string[] {
    const concerned = this.#groups.filter((group) => group.names.some((name) => names.includes(provenName(name))))
    return [...new Set(concerned.map(({ solver }) => solver.hint))]
  }

  /** Makes all visible, and waits until they are. Throws what the first of the ways to fail throws, when all have ended. */
  async present(presentations: readonly (Presentation & { readonly isWildcard: boolean })[]): Promise<void> {
    const bySolver = new Map<Solver, Presentation[]>()
    for (const { isWildcard, ...presentation } of presentations) {
      const { name, token } = presentation
      if (!isToken(token))
        throw new NixacmeError('refused', `the CA sent a token for '${name}' that is no base64url text`, {
          hints: ['nothing was written; a CA that sends this is broken or hostile'],
        })
      const solver = this.#solverOf(name, isWildcard)
      if (isStanding(solver)) continue
      const all = bySolver.get(solver)
      if (all) all.push(presentation)
      else bySolver.set(solver, [presentation])
    }
    // Of a run that was killed: under the same name they would be taken for another run's.
    await this.#removeAll(this.#ledger.traces.filter(({ kind }) => kind === 'answer'))
    const note = (traces: readonly Trace[]) => this.#ledger.add(traces)
    const work = [...bySolver].map(([solver, all]) => proving(async () => solver.present(all, note)))
    await Promise.allSettled(work)
    await Promise.all(work)
  }

  /** Ends what is not on disk: listeners. Never throws; a second time there is nothing to do. */
  async close(): Promise<void> {
    await Promise.allSettled(
      this.#groups.map(async ({ solver }) => (isStanding(solver) ? undefined : solver.close?.())),
    )
  }

  /**
   * Takes away all that was put anywhere, after a failed `present` too, and a second time what has come since. Never throws;
   * what stays is warned about. True when nothing stays.
   */
  async cleanUp(): Promise<boolean> {
    await this.close()
    try {
      await this.#removeAll(this.#ledger.traces.filter((trace) => !this.#staying.has(trace)))
    } catch (e) {
      this.#log.warning(`what was cleaned up cannot be written down: ${messageOf(e)}, ignoring`)
    }
    return this.#staying.size === 0
  }

  /** What cannot be taken away now stays in the ledger. Throws as `Ledger.drop`. */
  async #removeAll(traces: readonly Trace[]): Promise<void> {
    const remove = this.#remover()
    const gone = await Promise.all(traces.map(async (trace) => ((await this.#takeAway(trace, remove)) ? [trace] : [])))
    this.#ledger.drop(gone.flat())
  }

  /** False for what a later run is to try again. */
  async #takeAway(trace: Trace, remove: Remove): Promise<boolean> {
    try {
      await remove(trace)
      return true
    } catch (e) {
      this.#staying.add(trace)
      const isForgotten = e instanceof NixacmeError && e.kind === 'config'
      const next = isForgotten ? 'remove it by hand' : 'the next run tries again'
      this.#log.warning(`cannot remove ${wordsFor(trace)}: ${messageOf(e)}`, [next])
      return isForgotten
    }
  }

  #solverOf(name: string, isWildcard: boolean): Solver | StandingProof {
    const wanted = isWildcard ? `*.${name}` : name
    const group = this.#groups.find(({ names }) => names.includes(wanted))
    if (group) return group.solver
    // Not every CA says of an authorization that it is a wildcard's.
    const other = this.#groups.find(({ names }) => names.some((one) => provenName(one) === name))
    if (other) return other.solver
    throw new NixacmeError('refused', `the CA wants '${name.slice(0, 100)}' proven, which was not ordered`)
  }
}

function wordsFor(trace: Trace): string {
  switch (trace.kind) {
    case 'file':
    case 'answer':
      return `'${trace.path}'`
    case 'object':
      return `'${trace.key}' from bucket '${trace.bucket}'`
    default:
      return `the TXT record '${trace.name}' with '${trace.value}'`
  }
}
