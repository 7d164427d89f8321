// Vultr (https://www.vultr.com/api/#tag/dns, version 2): lists in pages with a cursor, records by identifier.
import { fieldsOf, listOf, textOf } from '../json.ts'
import { type ProviderDefinition, type ProviderTools, wanted, withinZone } from '../provider.ts'
import { allFollowed, type NamedZone, overRecords, type RecordAccess, recordsIn, zoneFinder } from '../shapes.ts'

const base = 'https://api.vultr.com/v2'
/** The largest page. */
const pageSize = '500'

export const vultr: ProviderDefinition = {
  name: 'vultr',
  title: 'Vultr',
  documentation: 'https://www.vultr.com/api/#tag/dns',
  prefix: 'VULTR',
  times: { ttl: 120, propagationTimeout: 60, pollingInterval: 2 },
  variables: [{ name: 'VULTR_API_KEY', about: 'API key; Vultr takes it from allowed addresses only', required: true }],
  verified: 'against a fake of its documented interface; not at Vultr itself',
  open: (tools) => overRecords(accessOf(tools)),
}

function accessOf(tools: ProviderTools): RecordAccess<NamedZone> {
  const { api, ttl } = tools
  const headers = { Authorization: `Bearer ${wanted(tools, 'VULTR_API_KEY')}` }
  const recordsOf = (zone: NamedZone) => `/domains/${encodeURIComponent(zone.name)}/records`

  const listed = (path: string, key: string) =>
    allFollowed(api, async (cursor: string | undefined) => {
      const query = new URLSearchParams({ per_page: pageSize, ...(cursor !== undefined && { cursor }) })
      const answer = await api.send({ method: 'GET', url: `${base}${path}?${query}`, headers })
      const fields = fieldsOf(answer.json())
      const items = listOf(fields?.[key])
      if (!items) throw api.nonsense(`a page without '${key}'`)
      const next = textOf(fieldsOf(fieldsOf(fields?.['meta'])?.['links'])?.['next'])
      return { items, next: next === '' ? undefined : next }
    })
  return {
    zoneOf: zoneFinder(api, async () =>
      (await listed('/domains', 'domains')).map(({ domain }) => ({ name: textOf(domain) ?? '' })),
    ),
    async find(zone, name) {
      const label = withinZone(name, zone.name, '')
      const found = await listed(recordsOf(zone), 'records')
      const ours = found.filter((record) => record['type'] === 'TXT' && record['name'] === label)
      return recordsIn(api, ours, 'data')
    },
    async add(zone, { name, value }) {
      const json = { name: withinZone(name, zone.name, ''), type: 'TXT', data: `"${value}"`, ttl, priority: 0 }
      await api.send({ method: 'POST', url: `${base}${recordsOf(zone)}`, headers, json })
    },
    async remove(zone, id) {
      const url = `${base}${recordsOf(zone)}/${encodeURIComponent(id)}`
      await api.send({ method: 'DELETE', url, headers, expected: [404] })
    },
  }
}
