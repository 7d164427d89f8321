// Whether the DNS shows what was put there: each authoritative server of each zone is asked itself, at each address, until
// all show all values. What resolvers keep does not matter then, and no resolver is made to keep that nothing was there.
import { NixacmeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { timerOf } from '../../wait.ts'
import { pause } from '../pace.ts'
import type { Times, TxtRecord } from './provider.ts'
import type { Resolver } from './resolver.ts'
import { addressesOf, chosenAddress, show } from './server-address.ts'
import { lookAt, type Sight, type Values, type Watched } from './sight.ts'

/** What is looked for. */
export type SeenRecord = Pick<TxtRecord, 'name' | 'value'>

export interface PropagationOptions {
  readonly resolver: Resolver
  /** Seconds: the bound of the wait, and the time between two looks. */
  readonly times: Pick<Times, 'propagationTimeout' | 'pollingInterval'>
  readonly signal: AbortSignal
  readonly log: Log
}

/** Looks that a server may leave without an answer before it is done without, where others answer. */
const mostSilences = 3
/** Servers in one message. */
const mostNamed = 3

/**
 * Waits until these records, CNAMEs followed, can be seen by everybody: at all addresses of all authoritative servers. A
 * server that never answers is warned about and done without, as resolvers do, where another one answers; an address that
 * this machine has no route to does not count. A server that `dnsResolver` names is asked, too, if it serves the zone itself,
 * and decides alone where no authoritative server can be reached. Says who is waited for. Throws `unavailable` (69) when
 * the time is over or a zone is not found, and the signal's reason when it is aborted.
 */
export async function waitUntilVisible(records: readonly SeenRecord[], options: PropagationOptions): Promise<void> {
  const { resolver, times, signal, log } = options
  const wanted = byName(records)
  const late = AbortSignal.timeout(timerOf(times.propagationTimeout))
  const watched = await allServers(wanted, resolver)
  let said = ''
  for (;;) {
    await lookAround([...wanted.keys()], watched, signal)
    const names = [...wanted.keys()].map((name) => verdict(name, watched))
    const waiting = names.flatMap((one) => one.waitingFor)
    if (waiting.length === 0) {
      for (const label of new Set(names.flatMap((one) => one.doneWithout)))
        log.warning(`the name server ${label} does not answer, ignoring`)
      return
    }
    if (late.aborted) throw tooLate(waiting, times.propagationTimeout)
    const words = `waiting for ${list(waiting.map(({ label }) => label))} to show the record`
    if (words !== said) log.waiting(words, 'waiting for the name servers')
    said = words
    await pauseUntil(times.pollingInterval, late, signal)
  }
}

function byName(records: readonly SeenRecord[]): Map<string, Values> {
  const wanted = new Map<string, Values>()
  for (const { name, value } of records) wanted.set(name, [...(wanted.get(name) ?? []), value])
  return wanted
}

/** Each address once, with the names it has to show. */
async function allServers(wanted: ReadonlyMap<string, Values>, resolver: Resolver): Promise<readonly Watched[]> {
  const all = new Map<string, Watched>()
  await Promise.all(
    [...wanted].map(async ([name, values]) => {
      for (const own of addressesOf(await resolver.serversOf(await resolver.zoneOf(name)))) {
        const watched = all.get(show(own.place)) ?? { ...own, asked: 'zone', sights: new Map(), silences: 0 }
        watched.sights.set(name, { kind: 'new', values })
        all.set(show(own.place), watched)
      }
    }),
  )
  const chosen = resolver.chosen.map(chosenAddress).flatMap((one) =>
    (['itself', 'others'] as const).map((asked): Watched => {
      const sights = [...wanted].map(([name, values]) => [name, { kind: 'new', values }] as const)
      return { ...one, asked, sights: new Map(sights), silences: 0 }
    }),
  )
  return [...all.values(), ...chosen]
}

/** Looks at all servers; resolvers are asked what others tell only where nobody else can: they keep a no for long. */
async function lookAround(names: readonly string[], watched: readonly Watched[], signal: AbortSignal): Promise<void> {
  const look = (asked: readonly Watched['asked'][]) =>
    Promise.all(watched.filter((server) => asked.includes(server.asked)).map((server) => lookAt(server, signal)))
  await look(['zone', 'itself'])
  if (names.some((name) => answering(name, watched).length === 0)) await look(['others'])
}

/** The servers of a name's zone. */
const ownServers = (name: string, watched: readonly Watched[]): readonly Watched[] =>
  watched.filter(({ asked, sights }) => asked !== 'others' && sights.has(name) && !isOf(sights.get(name), 'elsewhere'))

const answering = (name: string, watched: readonly Watched[]): readonly Watched[] =>
  ownServers(name, watched).filter(({ sights }) => isOf(sights.get(name), 'shown', 'missing'))

const isOf = (sight: Sight | undefined, ...kinds: readonly Sight['kind'][]): boolean =>
  sight !== undefined && kinds.includes(sight.kind)

interface Missing {
  readonly name: string
  readonly label: string
  /** Why. */
  readonly words: string
}

interface Verdict {
  readonly waitingFor: readonly Missing[]
  /** Servers that never answer. */
  readonly doneWithout: readonly string[]
}

function verdict(name: string, watched: readonly Watched[]): Verdict {
  const own = ownServers(name, watched)
  const answered = answering(name, watched)
  const deciding = answered.length > 0 ? answered : watched.filter(({ asked }) => asked === 'others')
  const lacking = deciding.filter(({ sights }) => !isOf(sights.get(name), 'shown'))
  const silent = own.filter(({ sights }) => isOf(sights.get(name), 'silent'))
  const stillHoped = silent.filter(({ silences }) => silences < mostSilences)
  if (deciding.length > 0 && lacking.length === 0 && stillHoped.length === 0)
    return { waitingFor: [], doneWithout: silent.map(({ label }) => label) }
  const waitingFor = [...lacking, ...(deciding.length > 0 ? stillHoped : own)].map(({ label, sights }) => ({
    name,
    label,
    words: wordsOf(sights.get(name)),
  }))
  const nobody = { name, label: 'a name server of its zone', words: 'none has an address' }
  return { waitingFor: waitingFor.length > 0 ? waitingFor : [nobody], doneWithout: [] }
}

const wordsOf = (sight: Sight | undefined): string =>
  sight !== undefined && 'words' in sight ? sight.words : 'not asked'

/** Ends early when the time is over: then comes the last look. */
async function pauseUntil(seconds: number, late: AbortSignal, signal: AbortSignal): Promise<void> {
  try {
    await pause(seconds, AbortSignal.any([signal, late]))
  } catch (e) {
    signal.throwIfAborted()
    if (!late.aborted) throw e
  }
}

function list(labels: readonly string[]): string {
  const unique = [...new Set(labels)]
  const more = unique.length > mostNamed ? ` and ${unique.length - mostNamed} more` : ''
  return unique.slice(0, mostNamed).join(', ') + more
}

function tooLate(missing: readonly Missing[], seconds: number): NixacmeError {
  const [{ name } = { name: '' }] = missing
  const servers = missing.filter((one) => one.name === name).map(({ label, words }) => `${label}: ${words}`)
  return new NixacmeError('unavailable', `'${name}' is not to be seen after ${seconds} s: ${list(servers)}`, {
    hints: [
      "if the provider needs longer, set '<prefix>_PROPAGATION_TIMEOUT' (seconds; nixacme-dns(7) has the prefix)",
      "if this machine cannot ask those servers, name a resolver that can with 'dnsResolver', or set 'dnsPropagationCheck' to false",
    ],
  })
}
