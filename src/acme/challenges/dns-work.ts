// dns-01 (RFC 8555 §8.4) and dns-account-01 (draft-ietf-acme-dns-account-label): TXT records put into the zone by a provider,
// wherever a CNAME leads. And dns-persist-01, whose records are looked at.
import { createHash } from 'node:crypto'
import type { Challenge } from '../../config/config.ts'
import { NixacmeError } from '../../errors.ts'
import { accountLabel, challengeName } from '../../job/proof-records.ts'
import { waitUntilVisible } from '../dns/propagation.ts'
import type { TxtRecord } from '../dns/provider.ts'
import { type OpenProvider, openProvider, providerNamed } from '../dns/providers.ts'
import { openResolver, type Resolver } from '../dns/resolver.ts'
import { dnsLanes, inLanes } from './lanes.ts'
import type { Trace } from './ledger.ts'
import type { SolversRequest } from './open.ts'
import { verifyStanding } from './persist.ts'
import type { Note, Presentation } from './solver.ts'

type ByProvider = Challenge & { readonly kind: 'dns' }
type ByHand = Challenge & { readonly kind: 'dns-persist' }

/** Providers and resolver, each opened once, when it is needed first. */
export class Dns {
  readonly #req: SolversRequest
  readonly #providers = new Map<string, Promise<OpenProvider>>()
  /** The lane of each name whose records are removed, and the last removal of each lane. */
  readonly #laneOf = new Map<string, string>()
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
      challenge.kind === 'dns' || challenge.kind === 'dns-persist' ? (challenge.resolver ?? []) : [],
    )
    this.#resolver ??= openResolver({ dnsResolver, signal })
    return this.#resolver
  }

  /** Throws as `provider`, and `config` (78) for one that cannot put records below a label. */
  async prepare({ provider: name, accountLabel }: ByProvider): Promise<void> {
    const { provider } = await this.provider(name)
    if (!accountLabel || !provider.makesNames) return
    throw new NixacmeError(
      'config',
      `the DNS provider '${name}' makes the name of the record itself, without a label of the account`,
      { hints: ["leave 'dnsAccountLabel' out, or use another provider or mode"] },
    )
  }

  /** Throws as `verifyStanding`. */
  async verify(challenge: ByHand, names: readonly string[], accountUrl: string): Promise<void> {
    const { now, signal, log } = this.#req
    if (!challenge.propagationCheck) return
    log.progress('looking at the records')
    await verifyStanding(challenge, names, { resolver: await this.resolver(), accountUrl, now, signal })
  }

  /** Puts the records of these names, each noted first, and waits until they are seen where that is wanted. */
  async present(challenge: ByProvider, presentations: readonly Presentation[], note: Note): Promise<void> {
    const { signal, log } = this.#req
    const { provider, times, oneByOne } = await this.provider(challenge.provider)
    const resolver = await this.resolver()
    const found = await Promise.all(presentations.map((one) => placeFor(one, challenge, resolver)))
    note(found.map(({ trace }) => trace))
    const records = found.map(({ trace, sought }): TxtRecord => ({ ...recordOf(trace), sought }))
    for (const { sought, name } of new Map(records.map((record) => [record.sought, record])).values())
      if (sought !== name) log.info(`the CNAME of '${sought}' leads to '${name}'`)
    log.progress(`putting ${records.length === 1 ? 'a record' : `${records.length} records`} into the DNS`)
    await inLanes(oneByOne ? 1 : dnsLanes, grouped(records), async (ofOneName) => {
      // Values of one name one after the other: many providers write them as one set.
      for (const record of ofOneName) await provider.present(record)
    })
    if (challenge.propagationCheck) await waitUntilVisible(records, { resolver, times, signal, log })
  }

  /** In as many lanes as records are put; those of one name in one lane, as many providers write its values as one set. */
  async removeRecord(trace: RecordTrace): Promise<void> {
    const { provider, oneByOne } = await this.provider(trace.provider)
    const name = `${trace.provider} ${trace.name}`
    const lane = this.#laneOf.get(name) ?? `${trace.provider} ${oneByOne ? 0 : this.#laneOf.size % dnsLanes}`
    this.#laneOf.set(name, lane)
    const before = this.#removals.get(lane) ?? Promise.resolve()
    const removal = before.catch(() => undefined).then(() => provider.cleanUp(recordOf(trace)))
    this.#removals.set(lane, removal)
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

/** The value of the record for a key authorization. */
const recordValue = (keyAuthorization: string): string =>
  createHash('sha256').update(keyAuthorization).digest('base64url')

type RecordTrace = Extract<Trace, { kind: 'record' }>

/** Where the CA looks for the record, and what is put there or where CNAMEs lead. */
async function placeFor(
  { name: domain, token, keyAuthorization, accountUrl }: Presentation,
  { provider, accountLabel: isLabelled }: ByProvider,
  resolver: Resolver,
): Promise<{ readonly sought: string; readonly trace: RecordTrace }> {
  const sought = challengeName(domain, isLabelled ? labelFor(domain, accountUrl) : undefined)
  const name = await resolver.effectiveName(sought)
  const value = recordValue(keyAuthorization)
  return { sought, trace: { kind: 'record', provider, name, value, domain, token, keyAuthorization } }
}

function labelFor(domain: string, accountUrl: string | undefined): string {
  if (accountUrl !== undefined) return accountLabel(accountUrl)
  throw new NixacmeError('config', `the record of '${domain}' has a label of the ACME account, and there is none yet`, {
    hints: ['the first renewal registers it'],
  })
}

/** What a provider is told of it. */
const recordOf = ({ name, value, domain, token, keyAuthorization }: RecordTrace): TxtRecord => ({
  name,
  value,
  challenge: { domain, token, keyAuthorization },
})

function grouped(records: readonly TxtRecord[]): TxtRecord[][] {
  const groups = new Map<string, TxtRecord[]>()
  for (const record of records) groups.set(record.name, [...(groups.get(record.name) ?? []), record])
  return [...groups.values()]
}
