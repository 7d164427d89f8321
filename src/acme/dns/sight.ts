// What one name server shows of the records that are waited for.
import { Silence } from './exchange.ts'
import { type Message, textsAt } from './message.ts'
import { query } from './query.ts'
import type { Addressed } from './server-address.ts'

/** Of the TXT records at one name. */
export type Values = readonly string[]

export type Sight =
  /** Not asked yet. */
  | { readonly kind: 'new'; readonly values: Values }
  | { readonly kind: 'shown'; readonly values: Values }
  | { readonly kind: 'missing' | 'silent' | 'no-route'; readonly values: Values; readonly words: string }
  /** A resolver that does not serve the zone itself. */
  | { readonly kind: 'elsewhere'; readonly values: Values }

export interface Watched extends Addressed {
  /** A server of the zone; or one that the config names: about what it serves itself, or about what others tell it. */
  readonly asked: 'zone' | 'itself' | 'others'
  /** By name. */
  readonly sights: Map<string, Sight>
  /** Looks in a row without an answer. */
  silences: number
}

/** Questions to one server at a time. */
const atOnce = 8

/**
 * Asks a server about all that it has not shown yet, and keeps what it sees. One that is silent is not asked further in this
 * look. Throws the signal's reason when it is aborted.
 */
export async function lookAt(watched: Watched, signal: AbortSignal): Promise<void> {
  const open = [...watched.sights].filter(
    ([, { kind }]) => kind !== 'shown' && kind !== 'elsewhere' && kind !== 'no-route',
  )
  for (let from = 0; from < open.length; from += atOnce) {
    const some = open.slice(from, from + atOnce)
    const silence = await Promise.all(some.map(([name, { values }]) => lookFor(watched, name, values, signal)))
    const failure = silence.find((one) => one !== undefined)
    if (failure === undefined) {
      watched.silences = 0
      continue
    }
    watched.silences++
    const kind = failure.noRoute ? 'no-route' : 'silent'
    for (const [name, { values }] of open.slice(from))
      if (watched.sights.get(name)?.kind !== 'shown') watched.sights.set(name, { kind, values, words: failure.message })
    return
  }
}

/** Gives the reason when no answer came. */
async function lookFor(
  { place, asked, sights }: Watched,
  name: string,
  values: Values,
  signal: AbortSignal,
): Promise<Silence | undefined> {
  try {
    const answer = await query(place, { name, type: 'TXT', recursive: asked === 'others' }, signal)
    sights.set(name, sightOf(answer, { name, values, asked }))
    return undefined
  } catch (e) {
    if (e instanceof Silence) return e
    throw e
  }
}

function sightOf(
  answer: Message,
  { name, values, asked }: { readonly name: string; readonly values: Values; readonly asked: Watched['asked'] },
): Sight {
  const { rcode, isAuthoritative } = answer
  if (asked === 'itself' && !isAuthoritative) return { kind: 'elsewhere', values }
  const there = textsAt(name, answer)
  if (values.every((value) => there.includes(value))) return { kind: 'shown', values }
  const missing = (words: string): Sight => ({ kind: 'missing', values, words })
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') return missing(`it answers ${rcode}`)
  if (there.length > 0) return missing(values.length > 1 ? 'not all values yet' : 'other values only')
  return missing(isAuthoritative || asked === 'others' ? 'no such record' : 'it does not serve the zone')
}
