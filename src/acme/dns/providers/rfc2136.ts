// Name servers that take dynamic updates (RFC 2136), signed by TSIG (RFC 8945): BIND, Knot DNS, PowerDNS, Windows and others.
import { NixacmeError } from '../../../errors.ts'
import { Silence } from '../exchange.ts'
import { assertName, type Message } from '../message.ts'
import {
  candidateZones,
  given,
  type ProviderDefinition,
  type ProviderTools,
  type TxtRecord,
  wanted,
} from '../provider.ts'
import { query } from '../query.ts'
import { type ServerAddress, serverAddresses, show } from '../server-address.ts'
import { tsigKey } from '../tsig-key.ts'
import { sendUpdate } from '../update.ts'
import { classes, encodeText, isName, plainName, types, type WireRecord } from '../wire.ts'

export const rfc2136: ProviderDefinition = {
  name: 'rfc2136',
  title: 'RFC2136',
  documentation: 'https://www.rfc-editor.org/rfc/rfc2136',
  prefix: 'RFC2136',
  newerPrefix: 'DNSUPDATE',
  times: { ttl: 120, propagationTimeout: 60, pollingInterval: 2 },
  variables: [
    {
      name: 'RFC2136_NAMESERVER',
      about: "the server that takes updates: 'host' or 'host:port'",
      required: true,
      isPublic: true,
    },
    { name: 'RFC2136_TSIG_KEY', about: 'name of the key; without a key updates are not signed', isPublic: true },
    { name: 'RFC2136_TSIG_SECRET', about: 'secret of the key, in base64' },
    {
      name: 'RFC2136_TSIG_ALGORITHM',
      about: 'hmac-md5, hmac-sha1 (unless told), hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512',
      isPublic: true,
    },
    { name: 'RFC2136_TSIG', about: 'all three, as tsig-keygen writes them; a rule as RFC2136_TSIG_FILE' },
    {
      name: 'RFC2136_ZONES',
      about: 'zones to choose from, separated by commas; the server is asked unless told',
      isPublic: true,
    },
    { name: 'RFC2136_DNS_TIMEOUT', about: 'seconds for one attempt; 10 unless told', isPublic: true },
  ],
  notes: [
    "Lego's newer names of all variables, with DNSUPDATE in place of the prefix, go before these.",
    'Answers must be signed by the same key. GSS-TSIG (Kerberos) is not spoken. Half a key is none, as with lego, and warned about.',
    'The zone is the longest that the server itself holds; a name that it has delegated to others is refused, as the record would be hidden there.',
  ],
  verified:
    'against BIND 9.18 and Knot DNS 3.2, each with every algorithm: child zones, names delegated to another server, refusals, a slow secondary; and with Pebble, a test CA, that asks by way of each of them',
  open(tools) {
    const change = changer(tools)
    return {
      present: (record) => change(record, classes.IN, tools.ttl),
      cleanUp: (record) => change(record, classes.NONE, 0),
    }
  },
}

type Change = (record: TxtRecord, kind: number, ttl: number) => Promise<void>

function changer(tools: ProviderTools): Change {
  const { signal, now } = tools
  const text = wanted(tools, 'RFC2136_NAMESERVER')
  const key = tsigKey(tools, 'RFC2136_TSIG')
  const seconds = timeoutOf(tools)
  const zones = zonesOf(tools)
  let known: Promise<ServerAddress> | undefined

  return async ({ name, value }, kind, ttl) => {
    assertName(name)
    known ??= firstAddress(text, signal)
    const server = await known
    const zone = zones === undefined ? await zoneAt(server, name, signal) : zoneAmong(zones, name)
    // Without it a server would silently leave a TXT record out where a CNAME is (RFC 2136 §3.4.2.2).
    const noAlias: WireRecord = { name, type: types.CNAME, class: classes.NONE, ttl: 0, data: Buffer.alloc(0) }
    const result = await sendUpdate({
      ...{ server, zone, key, seconds, now, signal },
      prerequisites: kind === classes.IN ? [noAlias] : [],
      changes: [{ name, type: types.TXT, class: kind, ttl, data: encodeText(value) }],
    })
    if (result !== undefined) throw refusal(result, { server, zone, name, isSigned: key !== undefined })
  }
}

function timeoutOf(tools: ProviderTools): number {
  const text = given(tools, 'RFC2136_DNS_TIMEOUT') ?? '10'
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text)
  throw new NixacmeError('config', `'RFC2136_DNS_TIMEOUT' is '${text.slice(0, 40)}': expected seconds, 1 to 999`)
}

/** Undefined where the server shall be asked. */
const zonesOf = (tools: ProviderTools): readonly string[] | undefined =>
  given(tools, 'RFC2136_ZONES')
    ?.split(',')
    .map((zone) => plainName(zone.trim()))

function zoneAmong(zones: readonly string[], name: string): string {
  const [longest] = zones.filter((zone) => isWithin(name, zone)).sort((a, b) => b.length - a.length)
  if (longest !== undefined && isName(longest)) return longest
  throw new NixacmeError('config', `'${name}' lies in no zone of 'RFC2136_ZONES'`, {
    hints: ['add its zone there, or leave the variable out: then the server is asked'],
  })
}

async function firstAddress(text: string, signal: AbortSignal): Promise<ServerAddress> {
  const [first] = await serverAddresses(text, "'RFC2136_NAMESERVER'", signal)
  if (first) return first
  throw new NixacmeError('unavailable', `'RFC2136_NAMESERVER': the name server '${text}' has no address`)
}

/** The longest zone with the name in it, as the server itself has it: it may be one that nobody else can ask. */
async function zoneAt(server: ServerAddress, name: string, signal: AbortSignal): Promise<string> {
  const where = `the name server '${show(server)}'`
  for (const zone of [...candidateZones(name), ...name.split('.').slice(-1)]) {
    const { rcode, isAuthoritative, answers, authorities } = await ask(server, zone, signal)
    if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN')
      throw new NixacmeError('refused', `${where} tells no zone for '${name}': ${rcode} for SOA of '${zone}'`, {
        hints: ["check that 'RFC2136_NAMESERVER' serves the zone, and that this machine may query it"],
      })
    if (answers.some((record) => record.type === 'SOA' && record.name === zone)) return zone
    // A server that says no about its own data names the zone that it says it of (RFC 2308 §3): most spare two questions.
    const own = authorities.find((record) => record.type === 'SOA' && isWithin(zone, record.name))
    if (own && isAuthoritative && answers.length === 0) return own.name
    const cut = authorities.find((record) => record.type === 'NS' && isWithin(zone, record.name))
    if (cut && !authorities.some(({ type }) => type === 'SOA'))
      throw new NixacmeError(
        'refused',
        `${where} has delegated '${cut.name}', which '${name}' lies in, to '${cut.data}'`,
        {
          hints: ["name the primary server of that zone in 'RFC2136_NAMESERVER'"],
        },
      )
  }
  throw new NixacmeError('refused', `${where} holds no zone with '${name}' in it`)
}

const isWithin = (name: string, zone: string): boolean => zone !== '' && (name === zone || name.endsWith(`.${zone}`))

/** Seconds for an answer, of one look-up and the next. */
const patience = [2, 4]

async function ask(server: ServerAddress, name: string, signal: AbortSignal): Promise<Message> {
  let last = ''
  for (const seconds of patience)
    try {
      return await query(server, { name, type: 'SOA', recursive: false }, signal, seconds)
    } catch (e) {
      if (!(e instanceof Silence)) throw e
      last = e.message
    }
  throw new NixacmeError('unavailable', `the name server '${show(server)}' gives no answer for '${name}': ${last}`, {
    hints: ["check 'RFC2136_NAMESERVER', and that this machine can reach it"],
  })
}

interface Refused {
  readonly server: ServerAddress
  readonly zone: string
  readonly name: string
  readonly isSigned: boolean
}

function refusal(result: string, { server, zone, name, isSigned }: Refused): NixacmeError {
  const what = `the name server '${show(server)}' refused the update of '${name}' in zone '${zone}': ${result}`
  if (result === 'YXRRSET')
    return new NixacmeError('refused', `${what}, there is a CNAME`, {
      hints: ['the world sees no CNAME there, or it would have been followed: check where this server is asked'],
    })
  if (result === 'SERVFAIL')
    return new NixacmeError('unavailable', what, { hints: ['the log of the server may tell more'] })
  const mayNot = isSigned ? 'this key' : 'this machine without a key'
  return new NixacmeError('refused', what, {
    hints: [`check that the server lets ${mayNot} update TXT records there (allow-update, update-policy, acl)`],
  })
}
