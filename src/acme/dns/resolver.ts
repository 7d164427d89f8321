// What the DNS tells of a name before a record can be put there: where its CNAMEs lead, which zone holds it, and who serves
// that. Asked of the machine's own resolvers, or of the one that the config names; of the name itself the servers of the zone
// are asked.
import { getServers } from 'node:dns'
import { NixacmeError } from '../../errors.ts'
import { Silence } from './exchange.ts'
import { firstHand } from './first-hand.ts'
import type { Message, QueryType } from './message.ts'
import { candidateZones } from './provider.ts'
import { query } from './query.ts'
import { dnsPort, type ServerAddress, serverAddresses, show } from './server-address.ts'
import { isName, plainName } from './wire.ts'

export interface NameServer {
  readonly name: string
  /** Of IPv4 and IPv6; none where the name leads nowhere. */
  readonly addresses: readonly ServerAddress[]
}

/** All its methods throw `unavailable` (69) where nobody answers, and the signal's reason when it is aborted. */
export interface Resolver {
  /** Of the option `dnsResolver`; none where the machine's own are asked. */
  readonly chosen: readonly ServerAddress[]
  /** The zone that holds a name: the longest name above it that has an SOA record. */
  zoneOf(name: string): Promise<string>
  /** Where the CNAMEs of a name lead; itself where there are none. */
  effectiveName(name: string): Promise<string>
  /** The servers of a zone by its NS records. */
  serversOf(zone: string): Promise<readonly NameServer[]>
}

export interface ResolverOptions {
  /** The option of this name: `host:port`; undefined: the machine's own resolvers. */
  readonly dnsResolver: string | undefined
  readonly signal: AbortSignal
}

/** Of CNAMEs in a row; resolvers follow about as many. */
const longestChain = 16
/** Seconds for an answer, in the first round of all resolvers and in the second. */
const rounds = [2, 4]
/** Look-ups at a time: an order may have a hundred names, and small resolvers drop or refuse what comes all at once. */
const mostLookups = 16

/** Throws `config` (78) for a `dnsResolver` that is no server, `unavailable` (69) for one whose name leads nowhere. */
export async function openResolver({ dnsResolver, signal }: ResolverOptions): Promise<Resolver> {
  const chosen = dnsResolver === undefined ? [] : await serverAddresses(dnsResolver, "'dnsResolver'", signal)
  const servers = chosen.length > 0 ? chosen : await systemServers(signal)
  const taken = limited(mostLookups)
  const ask = (name: string, type: QueryType) => taken(() => askAny(servers, { name: plainName(name), type }, signal))
  const serversAt = remembering((zone) => serversOf(zone, ask, signal))
  // Of each name once: those of one order have most of them in common.
  const isZone = remembering(async (name) => isZoneBy(await ask(name, 'SOA'), name))
  const zoneAbove = async (name: string): Promise<string | undefined> => {
    const above = name.slice(name.indexOf('.') + 1)
    if (!isForRecordsOnly(above)) return longestZone(above, isZone)
    return (await isZoneItself(above)) ? above : zoneAbove(above)
  }
  const themselves = firstHand({ zoneAbove, serversOf: serversAt, inTurn: limited(mostLookups) }, signal)
  const askThem: Ask = async (name, type) => (await themselves.ask(name, type)) ?? ask(name, type)
  const isZoneItself = remembering(async (name) => isZoneBy(await askThem(name, 'SOA'), name))
  return {
    chosen,
    async zoneOf(text) {
      const name = plainName(text)
      const zone = (await isZoneItself(name)) ? name : await zoneAbove(name)
      if (zone === undefined) throw noZone(name)
      return zone
    },
    effectiveName: remembering((name) => effectiveName(name, askThem)),
    serversOf: serversAt,
  }
}

type Ask = (name: string, type: QueryType) => Promise<Message>

/** Has so much work done at a time; what comes later waits for its turn. */
function limited(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let underWay = 0
  return async (work) => {
    if (underWay === most) await new Promise<void>((resolve) => waiting.push(resolve))
    else underWay++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else underWay--
    }
  }
}

/** The resolvers of resolv.conf(5). */
const systemServers = async (signal: AbortSignal): Promise<ServerAddress[]> =>
  (await Promise.all(getServers().map((text) => serverAddresses(text, '/etc/resolv.conf', signal)))).flat()

/** One answer for each name; a failure is not kept. */
function remembering<T>(look: (name: string) => Promise<T>): (name: string) => Promise<T> {
  const known = new Map<string, Promise<T>>()
  return (name) => {
    const key = plainName(name)
    const found = known.get(key) ?? look(key)
    known.set(key, found)
    found.catch(() => known.delete(key))
    return found
  }
}

/** The first good answer of these servers, of which each is asked twice. */
async function askAny(
  servers: readonly ServerAddress[],
  { name, type }: { readonly name: string; readonly type: QueryType },
  signal: AbortSignal,
): Promise<Message> {
  const said = new Map<string, string>()
  for (const seconds of rounds)
    for (const server of servers)
      try {
        const answer = await query(server, { name, type, recursive: true }, signal, seconds)
        if (answer.rcode === 'NOERROR' || answer.rcode === 'NXDOMAIN') return answer
        said.set(show(server), answer.rcode)
      } catch (e) {
        if (!(e instanceof Silence)) throw e
        said.set(show(server), e.message)
      }
  const words = [...said].map(([server, what]) => `'${server}': ${what}`).join(', ')
  throw new NixacmeError('unavailable', `cannot look up ${type} of '${name}': ${words || 'no resolver is known'}`, {
    hints: ["check this machine's resolvers (/etc/resolv.conf), or name one with 'dnsResolver'"],
  })
}

const isZoneBy = ({ answers }: Message, name: string): boolean =>
  answers.some((record) => record.type === 'SOA' && record.name === name)

/**
 * `_acme-challenge` above a label of an account: it need not be there yet, so that resolvers are not asked about it. From a no
 * some of them conclude that there is nothing below it either (RFC 8020 §2).
 */
const isForRecordsOnly = (name: string): boolean => name.startsWith('_')

/** The longest zone that a name is in, or that it is; undefined where there is none. */
async function longestZone(name: string, isZone: (name: string) => Promise<boolean>): Promise<string | undefined> {
  // A network of one's own may have a zone of one label, too: `lan`, `internal`.
  for (const zone of [...candidateZones(name), ...name.split('.').slice(-1)]) if (await isZone(zone)) return zone
  return undefined
}

const noZone = (name: string): NixacmeError =>
  new NixacmeError('unavailable', `no zone is found for '${name}': neither it nor a name above it has an SOA record`, {
    hints: ["where only another resolver knows the zone, name that with 'dnsResolver'"],
  })

async function effectiveName(name: string, ask: Ask): Promise<string> {
  const seen = [name]
  for (let current = name; ; seen.push(current)) {
    const { answers } = await ask(current, 'CNAME')
    const next = answers.find((record) => record.type === 'CNAME' && record.name === current)?.data
    if (next === undefined) return current
    const fault = !isName(next)
      ? 'to what is no name of a record'
      : seen.includes(next)
        ? 'in a circle'
        : seen.length > longestChain
          ? `on for more than ${longestChain} steps`
          : undefined
    if (fault !== undefined)
      throw new NixacmeError('unavailable', `the CNAMEs of '${name}' lead ${fault}: ${[...seen, next].join(', ')}`, {
        hints: ['mend the CNAME records, each in its zone'],
      })
    current = next
  }
}

async function serversOf(zone: string, ask: Ask, signal: AbortSignal): Promise<readonly NameServer[]> {
  const { answers } = await ask(zone, 'NS')
  const names = [...new Set(answers.filter(({ type, name }) => type === 'NS' && name === zone).map(({ data }) => data))]
  if (names.length === 0) throw new NixacmeError('unavailable', `no name server is found for the zone '${zone}'`)
  return Promise.all(names.map(async (name) => ({ name, addresses: await addressesOf(name, ask, signal) })))
}

async function addressesOf(name: string, ask: Ask, signal: AbortSignal): Promise<readonly ServerAddress[]> {
  const found = await Promise.all(
    (['A', 'AAAA'] as const).map(async (wanted) => {
      // One name server that cannot be found is no reason to fail: the others are asked.
      const answer = await ask(name, wanted).catch((e) => {
        signal.throwIfAborted()
        if (e instanceof NixacmeError && e.kind === 'unavailable') return undefined
        throw e
      })
      return (answer?.answers ?? []).filter(({ type }) => type === wanted).map(({ data }) => data)
    }),
  )
  return found.flat().map((address) => ({ address, port: dnsPort }))
}
