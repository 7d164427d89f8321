// IONOS, the DNS of its hosting (https://developer.hosting.ionos.com/docs/dns): zones in one list, records by identifier.
import { fieldsOf, listOf, textOf } from '../json.ts'
import { type ProviderDefinition, type ProviderTools, wanted } from '../provider.ts'
import { overRecords, type RecordAccess, recordsIn, zoneFinder } from '../shapes.ts'

const base = 'https://api.hosting.ionos.com/dns/v1'
/** Seconds: what lego takes for the least. */
const leastTtl = 300

interface Zone {
  readonly id: string
  readonly name: string
}

export const ionos: ProviderDefinition = {
  name: 'ionos',
  title: 'IONOS',
  documentation: 'https://developer.hosting.ionos.com/docs/dns',
  prefix: 'IONOS',
  times: { ttl: leastTtl, propagationTimeout: 900, pollingInterval: 2 },
  variables: [{ name: 'IONOS_API_KEY', about: "API key, '<prefix>.<secret>'", required: true }],
  verified: 'against a fake of its documented interface; not at IONOS itself',
  open: (tools) => overRecords(accessOf(tools)),
}

function accessOf(tools: ProviderTools): RecordAccess<Zone> {
  const { api, ttl } = tools
  const headers = { 'X-API-Key': wanted(tools, 'IONOS_API_KEY') }
  return {
    zoneOf: zoneFinder(api, async () => {
      const answer = await api.send({ method: 'GET', url: `${base}/zones`, headers })
      const zones = listOf(answer.json())?.map((zone) => ({ id: textOf(zone['id']), name: textOf(zone['name']) }))
      if (!zones?.every((zone): zone is Zone => zone.id !== undefined && zone.name !== undefined))
        throw api.nonsense('a list of zones without names')
      return zones
    }),
    async find({ id }, name) {
      const query = new URLSearchParams({ recordName: name, recordType: 'TXT' })
      const answer = await api.send({ method: 'GET', url: `${base}/zones/${encodeURIComponent(id)}?${query}`, headers })
      const records = listOf(fieldsOf(answer.json())?.['records'])
      if (!records) throw api.nonsense('a zone without records')
      const ours = records.filter((record) => record['name'] === name && record['type'] === 'TXT')
      return recordsIn(api, ours, 'content')
    },
    async add({ id }, { name, value }) {
      const record = {
        name,
        type: 'TXT',
        content: value,
        ttl: Math.max(ttl, leastTtl),
        prio: 0,
        disabled: false,
      }
      const url = `${base}/zones/${encodeURIComponent(id)}/records`
      await api.send({ method: 'POST', url, headers, json: [record] })
    },
    async remove(zone, id) {
      const url = `${base}/zones/${encodeURIComponent(zone.id)}/records/${encodeURIComponent(id)}`
      await api.send({ method: 'DELETE', url, headers, expected: [404] })
    },
  }
}
