// The work of one certificate from slot to marker: home slot, offline decision, and only if there is work: the waits, the
// CA (through `obtain`, which the caller lends), store, install. After the waits the state is read again.
import { attempt, messageOf, NixacmeError, unreachable } from '../errors.ts'
import type { Host } from '../host.ts'
import { type Job, type JobServer, pathsOf } from '../job/job.ts'
import type { CertPaths, Roots } from '../job/paths.ts'
import type { Log } from '../log.ts'
import { isoMinute } from '../time.ts'
import { interruptedError } from '../wait.ts'
import { type Decision, headline, isUrgent, type Work } from './decision.ts'
import { Diary } from './diary.ts'
import { ExpiringError } from './expiring.ts'
import { type InstallOutcome, install } from './install.ts'
import { clearLeftovers } from './leftovers.ts'
import { type Judgement, judge, leftToDo, type Skip, type Standing, saySkip } from './look.ts'
import { countedElsewhere } from './memory.ts'
import { type HeldSlot, RunLocks } from './run-locks.ts'
import { lifetimeOf, readState } from './state.ts'
import { ensureFolders, type Obtained, proveSpace, settle, store, storeHash } from './store.ts'
import { noteRetry, type WatchTools, watch, watchNew } from './watch.ts'

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
  obtain(job: Job, errand: Errand): Promise<Obtained | undefined>
  /** Takes away, without a CA, what earlier runs have left of challenges. Warns of what stays. */
  clearChallenges(job: Job): Promise<void>
}

/** What the network half is sent for. */
export interface Errand {
  /** With the CA to ask. */
  readonly standing: Standing
  /** With the CA whose certificate is in use. */
  readonly current: Standing
  readonly diary: Pick<Diary, 'ordering' | 'notOrdered' | 'answering' | 'offers'>
  readonly withAccountLock: AccountLock
}

/** Runs `work` while nobody else works on the same account. */
export type AccountLock = <T>(work: () => Promise<T>) => Promise<T>

export interface Outcome {
  /** The last decision: what was done, or would be. */
  readonly decision: Decision
  /** The CA that was asked, or whose certificate is in use. */
  readonly server: JobServer
  /** The slot that the work ran under; null: none was needed. */
  readonly slot: number | null
  readonly installed: InstallOutcome['kind']
  /** Why there is no new certificate, where the present one lives long enough for more tries. */
  readonly failure?: NixacmeError
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
  readonly #log: Log
  readonly #watchTools: WatchTools
  /** CAs that have failed in this run: none is asked twice, not even where no failure holds it back. */
  readonly #asked = new Set<string>()

  constructor(job: Job, options: RenewOptions, tools: Tools) {
    const { roots, host } = tools
    this.#job = job
    this.#options = options
    this.#tools = tools
    this.#log = tools.log.about(job.cert)
    this.#watchTools = { host, log: this.#log }
    const patience = options.patience === undefined ? job.lock.timeout : options.patience
    const { legoCert } = pathsOf(roots, job)
    this.locks = new RunLocks({ job, roots, legoCert, host, log: this.#log, patience, slot: tools.slot })
  }

  async perform(): Promise<Outcome> {
    const lockFault = this.#options.dryRun ? undefined : this.#tryHome()
    const first = this.#look()
    if (first.decision.kind === 'skip') return this.#skip(first, first.decision)
    if (first.decision.kind === 'wait') throw await this.#notYet(first)
    this.#warnAbout(first.current)
    if (this.#options.dryRun) return this.#dryRun(first, first.decision)
    if (lockFault) throw lockFault
    ensureFolders(this.#tools.roots, first.standing.paths, this.#tools.gid)
    await this.locks.takeAll()
    // Another run may have done the work between our first look and the locks, or have failed at it.
    const now = this.#look()
    if (now.decision.kind === 'skip') return this.#skip(now, now.decision)
    if (now.decision.kind === 'wait') throw await this.#notYet(now)
    return this.#work(now, now.decision)
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

  #judge(atOnce = this.#options.atOnce): Judgement {
    return judge(this.#job, this.#tools.roots, this.#tools.host, atOnce)
  }

  #look(): Judgement {
    const judgement = this.#judge()
    this.#tools.onDecision(judgement.decision)
    return judgement
  }

  #warnAbout({ state: { candidate }, paths }: Standing): void {
    if (candidate.kind !== 'unusable') return
    this.#log.warning(`the stored certificate in '${paths.certificates}' cannot be used: ${candidate.reason}`, [
      'a new one is asked for; the installed files stay until it is there',
    ])
  }

  /** Nothing is due; what an earlier run left undone is done, unless somebody else has the lock and does it. */
  async #skip(judgement: Judgement, decision: Skip): Promise<Outcome> {
    saySkip(this.#log, decision)
    const { server, paths } = judgement.current
    const { gid, host, roots } = this.#tools
    const left = leftToDo(this.#job, judgement, { gid, now: host.now() })
    let installed: Outcome['installed'] = 'unchanged'
    if (!this.#options.dryRun && left !== 'nothing' && this.locks.tryCertificate()) {
      ensureFolders(roots, paths, gid)
      if (decision.storeHash) storeHash(paths, this.#job.domainHash, gid)
      else settle(paths)
      await watch(this.#job, judgement.current, this.#watchTools)
      installed = this.#install(decision, paths, false)
    }
    await this.#clear(paths)
    return { decision, server, slot: this.#slotNumber, installed }
  }

  async #clear(paths: CertPaths): Promise<void> {
    const tools = { ...this.#tools, locks: this.locks, log: this.#log }
    if (!this.#options.dryRun) await clearLeftovers(this.#job, paths, tools)
  }

  async #dryRun(judgement: Judgement, decision: Work): Promise<Outcome> {
    const { standing, current } = judgement
    this.#log.info(`would be ${headline(decision)}`)
    const diary = { ordering() {}, notOrdered() {}, answering() {}, offers() {} }
    await this.#tools.obtain(this.#job, { standing, current, diary, withAccountLock: (work) => work() })
    return { decision, server: standing.server, slot: this.#job.lock.home, installed: 'unchanged' }
  }

  /** Asks the CA whose turn it is, and where that one fails for good, the next. */
  async #work(judgement: Judgement, decision: Work): Promise<Outcome> {
    const { standing } = judgement
    ensureFolders(this.#tools.roots, standing.paths, this.#tools.gid)
    proveSpace(standing.paths)
    this.#log.info(headline(decision))
    const diary = this.#diary(judgement)
    try {
      return await this.#ask(judgement, decision, diary)
    } catch (e) {
      if (this.#tools.host.interrupted.aborted) attempt(() => diary.interrupted())
      const fault =
        e instanceof NixacmeError ? e : new NixacmeError('bug', `a fault of nixacme: ${messageOf(e)}`, { cause: e })
      if (this.#tools.host.interrupted.aborted) throw fault
      // Where it cannot be written down, what went wrong before is what is to be told.
      attempt(() => diary.failed(fault))
      // Whoever asked for this one (`--now`): the next tries come by themselves.
      const later = this.#judge(false)
      if (later.decision.kind === 'wait') await noteRetry(later.current.paths, later.decision.until, this.#watchTools)
      const next = this.#judge()
      this.#asked.add(standing.server.directoryUrl)
      const isAnothersTurn = !this.#asked.has(next.standing.server.directoryUrl)
      if (!isAnothersTurn || next.decision.kind === 'skip' || next.decision.kind === 'wait')
        return this.#fail(judgement, decision, fault)
      this.#log.warning(fault.message, [...fault.hints, `asking the next CA, '${next.standing.server.directoryUrl}'`])
      return this.#work(next, next.decision)
    }
  }

  #diary({ standing, wish }: Judgement): Diary {
    const { gid, host } = this.#tools
    const { now } = host
    const { paths, state, server } = standing
    const { atOnce } = this.#options
    return new Diary(state.memory, {
      path: paths.memory,
      gid,
      server: server.directoryUrl,
      wish,
      elsewhere: countedElsewhere(paths, server.directoryUrl),
      limits: server.limits,
      atOnce,
      now,
      chance: Math.random,
    })
  }

  async #ask({ standing, current }: Judgement, decision: Work, diary: Diary): Promise<Outcome> {
    const { server, paths } = standing
    // Listened to from here on at the latest: who dies of a signal would have written down a crash.
    const { interrupted } = this.#tools.host
    if (interrupted.aborted) throw interruptedError(interrupted)
    diary.begin()
    const withAccountLock: AccountLock = (work) => this.locks.withAccount(paths.accountRoot, work)
    const certificate = await this.#tools.obtain(this.#job, { standing, current, diary, withAccountLock })
    if (!certificate) throw new NixacmeError('bug', 'the CA half gave no certificate')
    const { domain, domainHash } = this.#job
    this.#log.progress('installing the certificate')
    store(paths, certificate, { domain, domainHash }, this.#tools.gid)
    certificate.stored()
    const issued = { server, paths, state: readState(paths) }
    diary.succeeded(lifetimeOf(issued.state))
    const installed = this.#install(decision, paths, true)
    await watchNew(this.#job, issued, certificate, this.#watchTools)
    return { decision, server, slot: this.#slotNumber, installed }
  }

  /** A renewal that has time for more tries ends well all the same, with a warning; the others fail. */
  #fail({ standing }: Judgement, decision: Work, fault: NixacmeError): Outcome {
    if (decision.kind !== 'renew' || this.#options.atOnce) throw fault
    const now = this.#tools.host.now()
    if (isUrgent(decision, now)) throw new ExpiringError(decision, fault, now)
    return { decision, server: standing.server, slot: this.#slotNumber, installed: 'unchanged', failure: fault }
  }

  /** The poller starts it anew when its time has come, and not before. */
  async #notYet({ decision, current }: Judgement): Promise<NixacmeError> {
    await this.#clear(current.paths)
    if (decision.kind === 'wait' && !this.#options.dryRun)
      await noteRetry(current.paths, decision.until, this.#watchTools)
    const fault = new NixacmeError('later', `waiting: ${decision.reason}`, { hints: ['--now tries at once'] })
    const now = this.#tools.host.now()
    const isRenewal = decision.kind === 'wait' && decision.action === 'renew'
    return isRenewal && isUrgent(decision, now) ? new ExpiringError(decision, fault, now) : fault
  }

  #install({ kind: action }: Decision, paths: CertPaths, fresh: boolean): InstallOutcome['kind'] {
    const { candidate } = readState(paths)
    if (candidate.kind !== 'usable')
      throw new NixacmeError('data', `what was stored in '${paths.certificates}' cannot be read back`)
    const { gid, host } = this.#tools
    const options = { names: this.#job.names, condemned: paths, gid, now: host.now(), fresh }
    const outcome = install(paths.out, candidate.set, options)
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
