// One certificate as `plan --json` and `renew --json` print it.
import type { NixacmeError } from '../errors.ts'
import type { Job, JobServer } from '../job/job.ts'
import type { Decision } from '../renewal/decision.ts'
import type { StoredState } from '../renewal/state.ts'

/** Times are ISO 8601 in UTC; null where there is none. */
export interface Report {
  readonly cert: string
  /** Null when the state could not be judged: `error` says why. */
  readonly action: Decision['kind'] | null
  readonly reason: string
  readonly dueAt: string | null
  readonly notAfter: string | null
  /** `plan`: the home slot. `renew`: the slot held. Null: no limit, or nothing to do while the slot was busy. */
  readonly slot: number | null
  /** Directory URL of the CA that would be asked, was asked, or whose certificate is in use. */
  readonly server: string
  readonly keyName: string
  readonly domainHash: string
  readonly accountHash: string
  /** Name of the folder under `.lego/<cert>/`. */
  readonly certDir: string
  /** What services read. */
  readonly directory: string
  /** `renew`: why there is no new certificate, where the present one lives long enough for more tries. */
  readonly failure?: { readonly message: string; readonly hints: readonly string[] }
  readonly error?: { readonly status: number; readonly message: string; readonly hints: readonly string[] }
}

export function report(
  job: Job,
  state: string,
  decision: Decision | undefined,
  slot: number | null,
  server: JobServer = job.servers[0],
): Report {
  return {
    cert: job.cert,
    action: decision?.kind ?? null,
    reason: decision?.reason ?? '',
    dueAt: decision?.dueAt?.toISOString() ?? null,
    notAfter: decision?.notAfter?.toISOString() ?? null,
    slot,
    server: server.directoryUrl,
    keyName: job.keyName,
    domainHash: job.domainHash,
    accountHash: server.hashes.account,
    certDir: server.hashes.certDir,
    directory: `${state}/${job.cert}`,
  }
}

/** The part of a report that tells a failure. */
export const failure = (e: NixacmeError): Pick<Report, 'error'> => ({
  error: { status: e.exitStatus, message: e.message, hints: e.hints },
})

export const renderReports = (reports: readonly object[]): string => `${JSON.stringify(reports, null, 2)}\n`

/**
 * How many requests an action takes at a CA that answers at once and has no authorization to re-use: directory, nonce,
 * account, order, one authorization and one challenge a name, a look at the order, finalisation, download (RFC 8555 §7).
 */
export function caRequests(decision: Decision, names: number, account: StoredState['account']): number {
  if (decision.kind === 'skip' || decision.kind === 'wait') return 0
  return 2 + (account === 'registered' ? 0 : 1) + 1 + 2 * names + 3
}
