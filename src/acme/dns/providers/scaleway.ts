// Scaleway (https://www.scaleway.com/en/developers/api/domains-and-dns/): a zone is a domain or a part of one that was made
// a zone of its own; records are changed by lists of changes.
import { fieldsOf, listOf, textOf } from '../json.ts'
import { given, type ProviderDefinition, type ProviderTools, wanted, withinZone } from '../provider.ts'
import { allPages, type NamedZone, overRecords, type RecordAccess, recordsIn, zoneFinder } from '../shapes.ts'

const base = 'https://api.scaleway.com/domain/v2beta1/dns-zones'
/** Seconds: Scaleway takes no less. */
const leastTtl = 60
const pageSize = 100

export const scaleway: ProviderDefinition = {
  name: 'scaleway',
  title: 'Scaleway',
  documentation: 'https://www.scaleway.com/en/developers/api/domains-and-dns/',
  prefix: 'SCW',
  times: { ttl: leastTtl, propagationTimeout: 120, pollingInterval: 10 },
  variables: [
    { name: 'SCW_SECRET_KEY', about: 'secret key of an API key', required: true, aliases: ['SCALEWAY_API_TOKEN'] },
    {
      name: 'SCW_PROJECT_ID',
      about: 'only zones of this project are looked at',
      aliases: ['SCALEWAY_PROJECT_ID'],
    },
    { name: 'SCW_ACCESS_KEY', about: 'access key; taken, and not needed' },
  ],
  verified: 'against a fake of its documented interface; not at Scaleway itself',
  open: (tools) => overRecords(accessOf(tools)),
}

function accessOf(tools: ProviderTools): RecordAccess<NamedZone> {
  const { api, ttl } = tools
  const headers = { 'X-Auth-Token': wanted(tools, 'SCW_SECRET_KEY', 'SCALEWAY_API_TOKEN') }
  const project = given(tools, 'SCW_PROJECT_ID', 'SCALEWAY_PROJECT_ID')
  const recordsOf = (zone: NamedZone) => `${base}/${encodeURIComponent(zone.name)}/records`

  const listed = (url: string, key: string, filter: Readonly<Record<string, string>>) => {
    let seen = 0
    return allPages(api, async (page) => {
      const query = new URLSearchParams({ ...filter, page: String(page), page_size: String(pageSize) })
      const answer = await api.send({ method: 'GET', url: `${url}?${query}`, headers })
      const fields = fieldsOf(answer.json())
      const [items, total] = [listOf(fields?.[key]), Number(fields?.['total_count'])]
      if (!items || Number.isNaN(total)) throw api.nonsense(`a page without '${key}'`)
      seen += items.length
      return { items, more: seen < total && items.length > 0 }
    })
  }
  const change = async (zone: NamedZone, json: Readonly<Record<string, unknown>>) => {
    const body = { changes: [json], return_all_records: false, disallow_new_zone_creation: true }
    await api.send({
      method: 'PATCH',
      url: recordsOf(zone),
      headers,
      json: body,
      expected: 'delete' in json ? [404] : [],
    })
  }
  return {
    zoneOf: zoneFinder(api, async () => {
      const found = await listed(base, 'dns_zones', project === undefined ? {} : { project_id: project })
      return found.map(({ domain, subdomain }) => ({
        name: [textOf(subdomain), textOf(domain)].filter(Boolean).join('.'),
      }))
    }),
    async find(zone, name) {
      const label = withinZone(name, zone.name, '')
      const found = await listed(recordsOf(zone), 'records', { name: label, type: 'TXT' })
      const ours = found.filter((record) => record['type'] === 'TXT' && record['name'] === label)
      return recordsIn(api, ours, 'data')
    },
    async add(zone, { name, value }) {
      const record = {
        name: withinZone(name, zone.name, ''),
        type: 'TXT',
        data: `"${value}"`,
        ttl: Math.max(ttl, leastTtl),
      }
      await change(zone, { add: { records: [{ ...record, priority: 0 }] } })
    },
    remove: (zone, id) => change(zone, { delete: { id } }),
  }
}
