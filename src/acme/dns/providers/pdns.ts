// PowerDNS Authoritative, 4.0 and later: whole sets of records are read and replaced
// (https://doc.powerdns.com/authoritative/http-api/zone.html). Its names end with a dot.
import { NixacmeError } from '../../../errors.ts'
import { endpointOf } from '../endpoint.ts'
import { fieldsOf, listOf, textOf, unquoted } from '../json.ts'
import { candidateZones, given, type ProviderDefinition, type ProviderTools, wanted } from '../provider.ts'

export const pdns: ProviderDefinition = {
  name: 'pdns',
  title: 'PowerDNS',
  documentation: 'https://doc.powerdns.com/authoritative/http-api/zone.html',
  prefix: 'PDNS',
  times: { ttl: 120, propagationTimeout: 120, pollingInterval: 2 },
  variables: [
    { name: 'PDNS_API_URL', about: 'URL of its web server, without /api', required: true, isPublic: true },
    { name: 'PDNS_API_KEY', about: 'its api-key', required: true },
    {
      name: 'PDNS_API_VERSION',
      about: 'version of the API; 1 unless told',
      aliases: ['PDNS_CUSTOM_API_VERSION'],
      isPublic: true,
    },
    { name: 'PDNS_SERVER_NAME', about: "name of the server in the API; 'localhost' unless told", isPublic: true },
  ],
  verified: 'against PowerDNS 4.7 with its SQLite backend, and a fake of its documented interface',
  oneByOne: true,
  open(tools) {
    const change = changer(tools)
    return {
      present: ({ name, value }) =>
        change(name, (found) => (found.some((one) => textIn(one) === value) ? found : [...found, newRecord(value)])),
      cleanUp: ({ name, value }) => change(name, (found) => found.filter((one) => textIn(one) !== value)),
    }
  },
}

type Found = Readonly<Record<string, unknown>>

const newRecord = (value: string): Found => ({ content: `"${value}"`, disabled: false })
const textIn = ({ content }: Found): string => unquoted(String(content))

interface Zone {
  readonly id: string
  readonly isPrimary: boolean
}

function changer(tools: ProviderTools) {
  const { api, ttl } = tools
  const endpoint = endpointOf(tools, 'PDNS_API_URL')
  const server = encodeURIComponent(given(tools, 'PDNS_SERVER_NAME') ?? 'localhost')
  const base = `${endpoint.url}/api/v${versionOf(tools)}/servers/${server}/zones`
  const headers = { ...endpoint.headers, 'X-API-Key': wanted(tools, 'PDNS_API_KEY') }
  const send = (method: 'GET' | 'PUT' | 'PATCH', path: string, more: { json?: unknown; expected?: number[] } = {}) =>
    api.send({ method, url: `${base}${path}`, headers, mayBePlain: true, ...more })

  /** The longest zone of this server with the name in it: it knows its zones, whatever the DNS tells elsewhere. */
  const zoneOf = async (name: string): Promise<Zone> => {
    for (const zone of candidateZones(name)) {
      const all = listOf((await send('GET', `?zone=${encodeURIComponent(`${zone}.`)}`)).json())
      if (!all) throw api.nonsense('expected a list of zones')
      const found = all.find((one) => one['name'] === `${zone}.`)
      const id = textOf(found?.['id'])
      if (found && id !== undefined) return { id, isPrimary: /^(master|primary)$/i.test(String(found['kind'])) }
    }
    throw api.refusal(`'${name}': this server holds no zone for it`)
  }
  /** Before 4.6 the parameters are not known, and all sets come. */
  const setAt = async ({ id }: Zone, name: string): Promise<Found | undefined> => {
    const query = `?rrset_name=${encodeURIComponent(`${name}.`)}&rrset_type=TXT`
    const sets = listOf(fieldsOf((await send('GET', `/${id}${query}`)).json())?.['rrsets'])
    if (!sets) throw api.nonsense('expected a zone with sets of records')
    return sets.find((set) => set['name'] === `${name}.` && set['type'] === 'TXT')
  }
  return async (name: string, make: (found: readonly Found[]) => readonly Found[]): Promise<void> => {
    const zone = await zoneOf(name)
    const set = await setAt(zone, name)
    const before = listOf(set?.['records'] ?? [])
    if (!before) throw api.nonsense('expected a set with records')
    const records = make(before)
    if (records.length === before.length) return
    const change = { name: `${name}.`, type: 'TXT' }
    const replaced = { ...change, changetype: 'REPLACE', ttl: set?.['ttl'] ?? ttl, records }
    const rrsets = [records.length === 0 ? { ...change, changetype: 'DELETE' } : replaced]
    await send('PATCH', `/${zone.id}`, { json: { rrsets } })
    // Secondaries hear of it at once; where they may not, at the primary's next look.
    if (zone.isPrimary) await send('PUT', `/${zone.id}/notify`, { expected: [400, 404, 422, 500] })
  }
}

/** Lego's 0 is to find out; what it could find before 1 has gone with PowerDNS 3. */
function versionOf(tools: ProviderTools): number {
  const text = given(tools, 'PDNS_API_VERSION', 'PDNS_CUSTOM_API_VERSION') ?? '1'
  if (/^\d{1,3}$/.test(text)) return Math.max(1, Number(text))
  throw new NixacmeError('config', `the variable 'PDNS_API_VERSION' is '${text.slice(0, 40)}': expected a number`)
}
