// Questions about names whose record is still to be made, asked of the name servers of the zone themselves. A resolver would
// keep that there was nothing (RFC 2308 §5), for an hour in many a zone, and tell it to a CA that asks the same resolver.
import { NixacmeError } from '../../errors.ts'
import { Silence } from './exchange.ts'
import { assertName, type Message, type QueryType, type Question } from './message.ts'
import { query } from './query.ts'
import type { Resolver } from './resolver.ts'
import type { ServerAddress } from './server-address.ts'

/** What a resolver tells of zones: about names that are there, which nothing is kept of but what is true. */
export interface Zones extends Pick<Resolver, 'serversOf'> {
  /** Undefined where none is found. */
  zoneAbove(name: string): Promise<string | undefined>
  /** Starts work when its turn has come: only so many questions at a time. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
}

export interface FirstHand {
  /**
   * The authoritative answer, NOERROR or NXDOMAIN; undefined where no server of the zone gives one, so that a resolver has to
   * be asked. Throws what `zoneAbove` throws, `config` (78) for what is no name, and the signal's reason when it is aborted.
   */
  ask(name: string, type: QueryType): Promise<Message | undefined>
}

/** Addresses: the first answer is taken. */
const mostAsked = 8

/** Zones whose servers cannot be asked from here are remembered: only the first question waits for them. */
export function firstHand({ zoneAbove, serversOf, inTurn }: Zones, signal: AbortSignal): FirstHand {
  const mute = new Set<string>()

  const placesOf = async (zone: string): Promise<readonly ServerAddress[]> => {
    try {
      return (await serversOf(zone)).flatMap(({ addresses }) => addresses).slice(0, mostAsked)
    } catch (e) {
      signal.throwIfAborted()
      // A zone of one's own may be without NS records.
      if (e instanceof NixacmeError && e.kind === 'unavailable') return []
      throw e
    }
  }
  const askServers = async (zone: string, name: string, type: QueryType): Promise<Message | undefined> => {
    if (mute.has(zone)) return undefined
    const places = await placesOf(zone)
    const askOne = async (place: ServerAddress) => {
      const answer = await askTwice(place, { name, type, recursive: false }, signal)
      if (isUseful(answer, name)) return answer
      throw new Error(answer.rcode)
    }
    try {
      return await inTurn(() => Promise.any(places.map(askOne)))
    } catch {
      signal.throwIfAborted()
      mute.add(zone)
      return undefined
    }
  }

  return {
    async ask(name, type) {
      assertName(name)
      const zone = await zoneAbove(name)
      if (zone === undefined) return undefined
      const answer = await askServers(zone, name, type)
      if (answer === undefined || answer.isAuthoritative) return answer
      // The name is a zone of its own, on servers of its own.
      return askServers(name, name, type)
    },
  }
}

/** A datagram may get lost, and a zone that is taken for mute is asked nothing more. */
async function askTwice(place: ServerAddress, question: Question, signal: AbortSignal): Promise<Message> {
  try {
    return await query(place, question, signal)
  } catch (e) {
    if (!(e instanceof Silence) || e.noRoute) throw e
    return query(place, question, signal)
  }
}

/** It says what is there, or that other servers know. */
const isUseful = ({ rcode, isAuthoritative, authorities }: Message, name: string): boolean =>
  isAuthoritative
    ? rcode === 'NOERROR' || rcode === 'NXDOMAIN'
    : rcode === 'NOERROR' && authorities.some((record) => record.type === 'NS' && record.name === name)
