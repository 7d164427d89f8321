// dns-01 (RFC 8555 §8.4): TXT records at `_acme-challenge`, put into the zone by a provider, wherever a CNAME leads.
import { createHash } from 'node:crypto'
import type { Challenge } from '../../config/config.ts'
import { NixacmeError } from '../../errors.ts'
import { waitUntilVisible } from '../dns/propagation.ts'
import type { TxtRecord } from '../dns/provider.ts'
import { type OpenProvider, openProvider, providerNamed } from '../dns/providers.ts'
import { openResolver, type Resolver } from '../dns/resolver.ts'
import type { Trace } from './ledger.ts'
import type { SolversRequest } from './open.ts'
import type { Note, Presentation } from './solver.ts'

/** Providers and resolver, each opened once, when it is needed first. */
export class Dns {
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

  /** Puts the records of these names, each noted first, and waits until they are seen where that is wanted. */
  async present(
    { provider: name, propagationCheck }: Challenge & { readonly kind: 'dns' },
    presentations: readonly Presentation[],
    note: Note,
  ): Promise<void> {
    const { signal, log } = this.#req
    const { provider, times, oneByOne } = await this.provider(name)
    const resolver = await this.resolver()
    const traces = await Promise.all(presentations.map((one) => traceFor(name, one, resolver)))
    note(traces)
    log.progress(`putting ${traces.length === 1 ? 'a record' : `${traces.length} records`} into the DNS`)
    await inLanes(oneByOne ? 1 : lanes, grouped(traces), async (ofOneName) => {
      // Values of one name one after the other: many providers write them as one set.
      for (const trace of ofOneName) await provider.present(recordOf(trace))
    })
    if (propagationCheck) await waitUntilVisible(traces.map(recordOf), { resolver, times, signal, log })
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

/** Changes at a time, where the provider bears that. */
const lanes = 4

/** The value of the record for a key authorization. */
const recordValue = (keyAuthorization: string): string =>
  createHash('sha256').update(keyAuthorization).digest('base64url')

type RecordTrace = Extract<Trace, { kind: 'record' }>

async function traceFor(provider: string, presentation: Presentation, resolver: Resolver): Promise<RecordTrace> {
  const { name: domain, token, keyAuthorization } = presentation
  const name = await resolver.effectiveName(`_acme-challenge.${domain}`)
  return { kind: 'record', provider, name, value: recordValue(keyAuthorization), domain, token, keyAuthorization }
}

/** What a provider is told of it. */
const recordOf = ({ name, value, domain, token, keyAuthorization }: RecordTrace): TxtRecord => ({
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
