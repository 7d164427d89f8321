// The work of one certificate from slot to marker: home slot, offline decision, and only if there is work: the waits, the
// CA (through `obtain`, which the caller lends), store, install. After the waits the state is read again.
import { NixacmeError, unreachable } from '../errors.ts'
import type { Host } from '../host.ts'
import { type Job, pathsOf } from '../job/job.ts'
import type { CertPaths, Roots } from '../job/paths.ts'
import type { Log } from '../log.ts'
import { isoMinute } from '../time.ts'
import type { Action, Decision } from './decision.ts'
import { type InstallOutcome, install } from './install.ts'
import { judge, leftToDo, type Skip, saySkip } from './look.ts'
import { type HeldSlot, RunLocks } from './run-locks.ts'
import { readState, type StoredState } from './state.ts'
import { ensureFolders, type NewCertificate, proveSpace, settle, store, storeHash } from './store.ts'

export interface RenewOptions {
  /** `--now`: dates and failure memory do not count. */
  readonly atOnce: boolean
  /** `--dry-run`: everything but the order and all that follows from it. */
  readonly dryRun: boolean
  /** Seconds to wait for a slot: 0 not at all, null as long as it takes, undefined as the job says. */
  readonly patience: number | null | undefined
}

export interface Tools {
  readonly roots: Roots
  readonly host: Pick<Host, 'now' | 'builtAt' | 'pid' | 'interrupted'>
  readonly log: Log
  /** Numeric group of this job's files; undefined: what the system gives. */
  readonly gid: number | undefined
  /** A slot that is held for this job already. */
  readonly slot?: HeldSlot | undefined
  /** Told each decision as it is taken: what is known of a run that fails later. */
  onDecision(decision: Decision): void
  /** The network half. Undefined after a dry run. */
  obtain(job: Job, paths: CertPaths, withAccountLock: AccountLock): Promise<NewCertificate | undefined>
}

/** Runs `work` while nobody else works on the same account. */
export type AccountLock = <T>(work: () => Promise<T>) => Promise<T>

export interface Outcome {
  /** The last decision: what was done, or would be. */
  readonly decision: Decision
  /** The slot that the work ran under; null: none was needed. */
  readonly slot: number | null
  readonly installed: InstallOutcome['kind']
}

const whatIsDone: Record<Action, string> = {
  run: 'getting a certificate',
  'force-renew': 'getting a new certificate',
  renew: 'renewing',
}

/** Does what is to be done for `job`. Throws with the exit status of what went wrong; the installed set is then whole. */
export async function renew(job: Job, options: RenewOptions, tools: Tools): Promise<Outcome> {
  const run = new Run(job, options, tools)
  try {
    return await run.perform()
  } finally {
    run.locks.release()
  }
}

class Run {
  readonly locks: RunLocks
  readonly #job: Job
  readonly #options: RenewOptions
  readonly #tools: Tools
  readonly #paths: CertPaths
  readonly #log: Log

  constructor(job: Job, options: RenewOptions, tools: Tools) {
    const { roots, host } = tools
    this.#job = job
    this.#options = options
    this.#tools = tools
    this.#paths = pathsOf(roots, job)
    this.#log = tools.log.about(job.cert)
    const patience = options.patience === undefined ? job.lock.timeout : options.patience
    this.locks = new RunLocks({ job, roots, paths: this.#paths, host, log: this.#log, patience, slot: tools.slot })
  }

  async perform(): Promise<Outcome> {
    const lockFault = this.#options.dryRun ? undefined : this.#tryHome()
    const [state, decision] = this.#look()
    if (decision.kind === 'skip') return this.#skip(state, decision)
    if (decision.kind === 'wait') throw notYet(decision)
    this.#warnAbout(state)
    if (this.#options.dryRun) return this.#dryRun(decision)
    if (lockFault) throw lockFault
    ensureFolders(this.#tools.roots, this.#paths, this.#tools.gid)
    await this.locks.takeAll()
    // Another run may have done the work between our first look and the locks, or have failed at it.
    const [stateNow, now] = this.#look()
    if (now.kind === 'skip') return this.#skip(stateNow, now)
    if (now.kind === 'wait') throw notYet(now)
    return this.#work(now)
  }

  get #slotNumber(): number | null {
    return this.locks.slot?.number ?? null
  }

  /** A slot that cannot be asked for matters only when there is work: the fault is kept until then. */
  #tryHome(): unknown {
    try {
      this.locks.tryHome()
      return undefined
    } catch (e) {
      return e
    }
  }

  #look(): [StoredState, Decision] {
    const state = readState(this.#paths)
    const decision = judge(this.#job, state, this.#tools.host, this.#options.atOnce)
    this.#tools.onDecision(decision)
    return [state, decision]
  }

  #warnAbout({ candidate }: StoredState): void {
    if (candidate.kind !== 'unusable') return
    this.#log.warning(`the stored certificate in '${this.#paths.certificates}' cannot be used: ${candidate.reason}`, [
      'a new one is asked for; the installed files stay until it is there',
    ])
  }

  /** Nothing is due; what an earlier run left undone is done, unless somebody else has the lock and does it. */
  #skip(state: StoredState, decision: Skip): Outcome {
    saySkip(this.#log, decision)
    const { gid, host } = this.#tools
    const left = leftToDo(this.#job, this.#paths, state, decision, { gid, now: host.now() })
    if (this.#options.dryRun || left === 'nothing' || !this.locks.tryCertificate())
      return { decision, slot: this.#slotNumber, installed: 'unchanged' }
    ensureFolders(this.#tools.roots, this.#paths, gid)
    if (decision.storeHash) storeHash(this.#paths, this.#job.domainHash, gid)
    else settle(this.#paths)
    return { decision, slot: this.#slotNumber, installed: this.#install(decision, false) }
  }

  async #dryRun(decision: Work): Promise<Outcome> {
    this.#log.info(`would be ${headline(decision)}`)
    await this.#tools.obtain(this.#job, this.#paths, (work) => work())
    return { decision, slot: this.#job.lock.home, installed: 'unchanged' }
  }

  async #work(decision: Work): Promise<Outcome> {
    proveSpace(this.#paths)
    this.#log.info(headline(decision))
    const certificate = await this.#tools.obtain(this.#job, this.#paths, (work) => this.locks.withAccount(work))
    if (!certificate) throw new NixacmeError('bug', 'the CA half gave no certificate')
    const { domain, domainHash } = this.#job
    this.#log.progress('installing the certificate')
    store(this.#paths, certificate, { domain, domainHash }, this.#tools.gid)
    return { decision, slot: this.#slotNumber, installed: this.#install(decision, true) }
  }

  #install({ kind: action }: Decision, fresh: boolean): InstallOutcome['kind'] {
    const { candidate } = readState(this.#paths)
    if (candidate.kind !== 'usable')
      throw new NixacmeError('data', `what was stored in '${this.#paths.certificates}' cannot be read back`)
    const { gid, host } = this.#tools
    const options = { names: this.#job.names, condemned: this.#paths, gid, now: host.now(), fresh }
    const outcome = install(this.#paths.out, candidate.set, options)
    switch (outcome.kind) {
      case 'installed':
        this.#log.notice(`installed new certificate, valid until ${isoMinute(outcome.notAfter)}`, {
          cert: this.#job.cert,
          action,
        })
        break
      case 'kept':
        this.#log.warning(
          `the stored certificate ends ${isoMinute(outcome.candidateUntil)}, before the installed one ` +
            `(${isoMinute(outcome.installedUntil)}): keeping the installed one`,
          ['--now gets a new one'],
        )
        break
      case 'unchanged':
        break
      default:
        return unreachable(outcome)
    }
    return outcome.kind
  }
}

type Work = Extract<Decision, { kind: Action }>

const headline = ({ kind, reason }: Work): string => `${whatIsDone[kind]}: ${reason}`

const notYet = ({ reason }: Decision): NixacmeError =>
  new NixacmeError('later', `waiting: ${reason}`, { hints: ['--now tries at once'] })
