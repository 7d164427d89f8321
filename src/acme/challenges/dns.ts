// dns-01 (RFC 8555 §8.4): TXT records at `_acme-challenge`, put into the zone by a provider, wherever a CNAME leads.
import { createHash } from 'node:crypto'
import type { Log } from '../../log.ts'
import { waitUntilVisible } from '../dns/propagation.ts'
import type { TxtRecord } from '../dns/provider.ts'
import type { OpenProvider } from '../dns/providers.ts'
import type { Resolver } from '../dns/resolver.ts'
import type { Trace } from './ledger.ts'
import type { Presentation, Solver } from './solver.ts'

export interface DnsSolverOptions {
  /** Its name, as in the config. */
  readonly provider: string
  /** Reads its credentials. Throws `config` (78). */
  open(): Promise<OpenProvider>
  readonly resolver: () => Promise<Resolver>
  readonly propagationCheck: boolean
  readonly signal: AbortSignal
  readonly log: Log
}

/** Changes at a time, where the provider bears that. */
const lanes = 4

/** The value of the record for a key authorization. */
export const recordValue = (keyAuthorization: string): string =>
  createHash('sha256').update(keyAuthorization).digest('base64url')

export function dnsSolver(options: DnsSolverOptions): Solver {
  const { provider: name, open, propagationCheck, signal, log } = options
  return {
    type: 'dns-01',
    hint: `the CA must find the TXT record '_acme-challenge.<name>' that '${name}' makes: 'nixacme dns test' shows where it is missing`,

    async prepare() {
      await open()
    },

    async present(presentations, note) {
      const { provider, times, oneByOne } = await open()
      const resolver = await options.resolver()
      const traces = await Promise.all(presentations.map((one) => traceFor(name, one, resolver)))
      note(traces)
      const count = traces.length === 1 ? 'a record' : `${traces.length} records`
      log.progress(`putting ${count} into the DNS`)
      await inLanes(oneByOne ? 1 : lanes, grouped(traces), async (ofOneName) => {
        // Values of one name one after the other: many providers write them as one set.
        for (const trace of ofOneName) await provider.present(recordOf(trace))
      })
      if (propagationCheck) await waitUntilVisible(traces.map(recordOf), { resolver, times, signal, log })
    },
  }
}

export type RecordTrace = Extract<Trace, { kind: 'record' }>

async function traceFor(provider: string, presentation: Presentation, resolver: Resolver): Promise<RecordTrace> {
  const { name: domain, token, keyAuthorization } = presentation
  const name = await resolver.effectiveName(`_acme-challenge.${domain}`)
  return { kind: 'record', provider, name, value: recordValue(keyAuthorization), domain, token, keyAuthorization }
}

/** What a provider is told of it. */
export const recordOf = ({ name, value, domain, token, keyAuthorization }: RecordTrace): TxtRecord => ({
  name,
  value,
  challenge: { domain, token, keyAuthorization },
})

function grouped(records: readonly RecordTrace[]): RecordTrace[][] {
  const groups = new Map<string, RecordTrace[]>()
  for (const record of records) groups.set(record.name, [...(groups.get(record.name) ?? []), record])
  return [...groups.values()]
}

/** All of them, so many at a time; waits for those under way when one fails, and throws its error. */
async function inLanes<T>(count: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  let failed: unknown
  const lane = async () => {
    for (const item of left) {
      if (failed !== undefined) return
      try {
        await work(item)
      } catch (e) {
        failed ??= e
      }
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  if (failed !== undefined) throw failed
}
