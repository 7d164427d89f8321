// What the name servers show at a name now, without waiting for anything.
import { NixacmeError } from '../../errors.ts'
import { Silence } from './exchange.ts'
import { textsAt } from './message.ts'
import { query } from './query.ts'
import type { Resolver } from './resolver.ts'
import { type Addressed, addressesOf, chosenAddress, show } from './server-address.ts'

/** Of one server. */
export interface Shown {
  /** For words: `'ns1.example.com' (192.0.2.1)`. */
  readonly label: string
  /** All TXT values at the name. */
  readonly values: readonly string[]
}

/** Where nobody answers: a datagram may get lost. */
const looks = 2

/**
 * The TXT values at a name, its CNAMEs followed, as each authoritative server shows them that answers, at each address; the
 * server that `dnsResolver` names among them if it serves the zone, and alone, with what others tell it, where no other
 * answers. Throws `unavailable` (69) where nobody does, and the signal's reason when it is aborted.
 */
export async function valuesNow(name: string, resolver: Resolver, signal: AbortSignal): Promise<readonly Shown[]> {
  const place = await resolver.effectiveName(name)
  const zone = await resolver.zoneOf(place)
  const chosen = resolver.chosen.map(chosenAddress)
  const own = addressesOf(await resolver.serversOf(zone))
  const all = new Map([...chosen, ...own].map((asked) => [show(asked.place), asked]))
  for (let look = 0; look < looks; look++) {
    const shown = await lookAll([...all.values()], { name: place, recursive: false }, signal)
    if (shown.length > 0) return shown
    const told = await lookAll(chosen, { name: place, recursive: true }, signal)
    if (told.length > 0) return told
  }
  throw new NixacmeError('unavailable', `no name server of '${zone}' answers what stands at '${name}'`, {
    hints: [
      "if this machine cannot ask those servers, name a resolver that can with 'dnsResolver', or set 'dnsPropagationCheck' to false",
    ],
  })
}

interface Look {
  readonly name: string
  /** Others may be asked; else only a server of the zone counts. */
  readonly recursive: boolean
}

async function lookAll(servers: readonly Addressed[], look: Look, signal: AbortSignal): Promise<readonly Shown[]> {
  const looks = await Promise.all(servers.map((server) => lookOnce(server, look, signal)))
  return looks.filter((one) => one !== undefined)
}

/** Undefined for a server that does not answer, or does not serve the zone, as resolvers pass over it. */
async function lookOnce(
  { place, label }: Addressed,
  { name, recursive }: Look,
  signal: AbortSignal,
): Promise<Shown | undefined> {
  try {
    const answer = await query(place, { name, type: 'TXT', recursive }, signal)
    const { rcode, isAuthoritative } = answer
    if ((!recursive && !isAuthoritative) || (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN')) return undefined
    return { label, values: textsAt(name, answer) }
  } catch (e) {
    if (e instanceof Silence) return undefined
    throw e
  }
}
