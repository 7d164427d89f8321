// Namecheap: the whole list of a domain's hosts is read and replaced, in XML; errors come with status 200
// (https://www.namecheap.com/support/api/methods/domains-dns/). What is not ours goes back as it came.
import { isIPv4 } from 'node:net'
import type { Api, ApiAnswer } from '../api.ts'
import { unquoted } from '../json.ts'
import { given, type ProviderDefinition, type ProviderTools, type TxtRecord, wanted, withinZone } from '../provider.ts'
import { elementAt, elementsNamed, parseXml, type XmlElement } from '../xml.ts'

const production = 'https://api.namecheap.com/xml.response'
const sandbox = 'https://api.sandbox.namecheap.com/xml.response'
/** Namecheap's own service that tells one's address, which each request must name. */
const addressService = 'https://dynamicdns.park-your-domain.com/getip'
/** Seconds: Namecheap takes no less. */
const leastTtl = 60
/** "Too many requests". */
const tooMany = '500000'

export const namecheap: ProviderDefinition = {
  name: 'namecheap',
  title: 'Namecheap',
  documentation: 'https://www.namecheap.com/support/api/methods/domains-dns/',
  prefix: 'NAMECHEAP',
  times: { ttl: 120, propagationTimeout: 3600, pollingInterval: 15 },
  variables: [
    { name: 'NAMECHEAP_API_USER', about: 'user of the account', required: true },
    { name: 'NAMECHEAP_API_KEY', about: 'API key', required: true },
    { name: 'NAMECHEAP_SANDBOX', about: 'true for the sandbox, to try things', isPublic: true },
  ],
  notes: [
    'The address that the machine goes out by must be on the list of allowed addresses; it is asked of dynamicdns.park-your-domain.com.',
    'A change replaces all records of the domain: others, of all types, and the kind of mail service are written again as they were read.',
    'Renewals at the same time can undo the changes of each other: with several certificates below one domain set maxConcurrentRenewals to 1.',
  ],
  verified: 'against a fake of its documented interface; not at Namecheap itself',
  oneByOne: true,
  open(tools) {
    const change = changer(tools)
    return {
      present: (record) => change(record, (hosts, ours) => (hosts.some(isOf(ours)) ? hosts : [...hosts, ours.host])),
      cleanUp: (record) => change(record, (hosts, ours) => hosts.filter((host) => !isOf(ours)(host))),
    }
  },
}

/** What is told of a host and can be written again. */
type Host = Readonly<Record<'HostName' | 'RecordType' | 'Address' | 'MXPref' | 'TTL', string>>

interface Ours {
  readonly value: string
  readonly host: Host
}

const isOf =
  ({ value, host: ours }: Ours) =>
  (host: Host): boolean =>
    host.RecordType === 'TXT' && host.HostName === ours.HostName && unquoted(host.Address) === value

type Change = (hosts: readonly Host[], ours: Ours) => readonly Host[]

const headers = { Accept: 'application/xml' }

function changer(tools: ProviderTools) {
  const { api, zoneOf, ttl } = tools
  const user = wanted(tools, 'NAMECHEAP_API_USER')
  const key = wanted(tools, 'NAMECHEAP_API_KEY')
  const isSandbox = /^(1|t|true)$/i.test(given(tools, 'NAMECHEAP_SANDBOX') ?? '')
  const url = isSandbox ? sandbox : production
  let address: Promise<string> | undefined
  const parametersOf = async (command: string, zone: string) => {
    address ??= ownAddress(api).catch((e) => {
      address = undefined
      throw e
    })
    // What is registered is one label before the registry's part, which may be `co.uk`.
    const [, SLD = '', TLD = ''] = /^([^.]+)\.(.+)$/.exec(zone) ?? []
    const Command = `namecheap.domains.dns.${command}`
    return { ApiUser: user, ApiKey: key, UserName: user, ClientIp: await address, Command, SLD, TLD }
  }
  const read = async (zone: string): Promise<XmlElement> => {
    const query = new URLSearchParams(await parametersOf('getHosts', zone))
    const answer = await api.send({ method: 'GET', url: `${url}?${query}`, headers, tooOften })
    const result = resultOf(api, answer, zone, 'DomainDNSGetHostsResult')
    if (result.attributes['IsUsingOurDNS'] === 'true') return result
    throw api.refusal(`'${zone}': the domain does not use Namecheap's own name servers`)
  }
  return async ({ name, value }: TxtRecord, change: Change): Promise<void> => {
    const zone = await zoneOf(name)
    const result = await read(zone)
    const host = {
      HostName: withinZone(name, zone),
      RecordType: 'TXT',
      Address: value,
      MXPref: '10',
      TTL: `${Math.max(ttl, leastTtl)}`,
    }
    const before = hostsIn(api, result)
    const after = change(before, { value, host })
    if (after.length === before.length) return
    const form = { ...(await parametersOf('setHosts', zone)), ...mailOf(result), ...numbered(after) }
    const answer = await api.send({ method: 'POST', url, headers, form, tooOften, repeatable: true })
    const { attributes } = resultOf(api, answer, zone, 'DomainDNSSetHostsResult')
    if (attributes['IsSuccess'] !== 'true') throw api.refusal(`the new list of hosts of '${zone}'`)
  }
}

async function ownAddress(api: Api): Promise<string> {
  const text = (await api.send({ method: 'GET', url: addressService, headers: { Accept: 'text/plain' } })).text.trim()
  if (isIPv4(text)) return text
  throw api.nonsense(`'${addressService}' tells no IPv4 address`)
}

/** The one element of an answer that matters. Throws `refused` (76) for an answer that is an error. */
function resultOf(api: Api, { text }: ApiAnswer, zone: string, name: string): XmlElement {
  const root = parseXml(text)
  if (root?.name !== 'ApiResponse') throw api.nonsense(`expected XML, found '${text.slice(0, 60)}'`)
  const result = elementAt(root, 'CommandResponse', name)
  if (root.attributes['Status'] === 'OK' && result) return result
  const [error] = elementsNamed(elementAt(root, 'Errors'), 'Error')
  if (!error) throw api.nonsense(`an answer without '${name}'`)
  throw api.refusal(`the request about '${zone}': ${error.text.trim()} (error ${error.attributes['Number']})`)
}

const tooOften = ({ text }: ApiAnswer): boolean =>
  elementsNamed(elementAt(parseXml(text), 'Errors'), 'Error').some(({ attributes }) => attributes['Number'] === tooMany)

/** All hosts, which the documentation writes with a capital, the interface without. */
const hostsIn = (api: Api, result: XmlElement): readonly Host[] =>
  [...elementsNamed(result, 'host'), ...elementsNamed(result, 'Host')].map(({ attributes }) => {
    const { Name, Type, Address, MXPref = '10', TTL = '1800' } = attributes
    // With one of these missing the record would be changed, or lost.
    if (!Name || !Type || Address === undefined) throw api.nonsense('a host without name, type or address')
    return { HostName: Name, RecordType: Type, Address, MXPref, TTL }
  })

/** The kind of mail service of the domain: without it in the request, it would be switched off. */
function mailOf({ attributes }: XmlElement): Readonly<Record<string, string>> {
  const { EmailType = '' } = attributes
  return EmailType === '' || EmailType === 'NONE' ? {} : { EmailType }
}

const numbered = (hosts: readonly Host[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    hosts.flatMap((host, i) => Object.entries(host).map(([field, value]) => [`${field}${i + 1}`, value] as const)),
  )
