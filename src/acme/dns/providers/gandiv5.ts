// Gandi LiveDNS: whole sets of values (https://api.gandi.net/docs/livedns/).
import { fieldsOf, listOf, unquoted } from '../json.ts'
import { given, missing, type ProviderDefinition, type ProviderTools, withinZone } from '../provider.ts'
import { allPages, fieldIn, type NamedZone, overSets, zoneFinder } from '../shapes.ts'

const base = 'https://api.gandi.net/v5/livedns/domains'
const perPage = 100
/** Seconds: Gandi takes no less. */
const leastTtl = 300

export const gandiv5: ProviderDefinition = {
  name: 'gandiv5',
  title: 'Gandi LiveDNS',
  documentation: 'https://api.gandi.net/docs/livedns/',
  prefix: 'GANDIV5',
  times: { ttl: leastTtl, propagationTimeout: 1200, pollingInterval: 20 },
  variables: [
    {
      name: 'GANDIV5_PERSONAL_ACCESS_TOKEN',
      about: 'personal access token that may manage the technical configuration',
    },
    { name: 'GANDIV5_API_KEY', about: 'key of the older kind, where there is no token' },
  ],
  notes: ['One of the two must be set.', 'Gandi takes no TTL below 300; a lower one becomes that.'],
  verified: 'against a fake of its documented interface; not at Gandi itself',
  open(tools) {
    const { api } = tools
    const headers = headersOf(tools)
    const urlOf = ({ name: zone }: NamedZone, name: string) => `${base}/${zone}/records/${withinZone(name, zone)}/TXT`
    return overSets<NamedZone>({
      zoneOf: zoneFinder(api, () =>
        allPages(api, async (page) => {
          const answer = await api.send({ method: 'GET', url: `${base}?per_page=${perPage}&page=${page}`, headers })
          const list = listOf(answer.json())
          if (!list) throw api.nonsense('no list of domains')
          const items = list.map((zone) => ({ name: fieldIn(api, zone, 'fqdn').toLowerCase() }))
          return { items, more: items.length === perPage }
        }),
      ),
      async read(zone, name) {
        const answer = await api.send({ method: 'GET', url: urlOf(zone, name), headers, expected: [404] })
        if (answer.status === 404) return { values: [], ttl: undefined }
        const { rrset_values: values, rrset_ttl: ttl } = fieldsOf(answer.json()) ?? {}
        if (!Array.isArray(values) || typeof ttl !== 'number')
          throw api.nonsense('a set of records without values or TTL')
        return { values: values.map(String), ttl }
      },
      async write(zone, name, values, before) {
        const url = urlOf(zone, name)
        if (values.length === 0) await api.send({ method: 'DELETE', url, headers, expected: [404] })
        else {
          const json = { rrset_values: values, rrset_ttl: before.ttl ?? Math.max(tools.ttl, leastTtl) }
          await api.send({ method: 'PUT', url, headers, json })
        }
      },
      written: (value) => `"${value}"`,
      plain: unquoted,
    })
  },
}

function headersOf(tools: ProviderTools): Readonly<Record<string, string>> {
  const token = given(tools, 'GANDIV5_PERSONAL_ACCESS_TOKEN')
  if (token !== undefined) return { Authorization: `Bearer ${token}` }
  const key = given(tools, 'GANDIV5_API_KEY')
  if (key !== undefined) return { Authorization: `Apikey ${key}` }
  throw missing(['GANDIV5_PERSONAL_ACCESS_TOKEN', 'GANDIV5_API_KEY'])
}
