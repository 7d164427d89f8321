// Linode, now Akamai (https://techdocs.akamai.com/linode-api/reference/get-domains): zones and records in pages.
import { fieldsOf, listOf, textOf } from '../json.ts'
import { type ProviderDefinition, type ProviderTools, wanted, withinZone } from '../provider.ts'
import { allPages, overRecords, type RecordAccess, recordsIn, zoneFinder } from '../shapes.ts'

const base = 'https://api.linode.com/v4'
/** Seconds: Linode rounds everything else to what it knows. */
const leastTtl = 300
/** The largest page. */
const pageSize = 500

interface Zone {
  readonly id: string
  readonly name: string
}

export const linode: ProviderDefinition = {
  name: 'linode',
  title: 'Linode',
  documentation: 'https://techdocs.akamai.com/linode-api/reference/get-domains',
  prefix: 'LINODE',
  times: { ttl: leastTtl, propagationTimeout: 120, pollingInterval: 15 },
  variables: [{ name: 'LINODE_TOKEN', about: 'API token that may read and write domains', required: true }],
  verified: 'against a fake of its documented interface; not at Linode itself',
  open: (tools) => overRecords(accessOf(tools)),
}

function accessOf(tools: ProviderTools): RecordAccess<Zone> {
  const { api, ttl } = tools
  const headers = { Authorization: `Bearer ${wanted(tools, 'LINODE_TOKEN')}` }

  const listed = (path: string, filter: Readonly<Record<string, string>>) =>
    allPages(api, async (page) => {
      const url = `${base}${path}?page=${page}&page_size=${pageSize}`
      const answer = await api.send({
        method: 'GET',
        url,
        headers: { ...headers, 'X-Filter': JSON.stringify(filter) },
      })
      const fields = fieldsOf(answer.json())
      const [items, pages] = [listOf(fields?.['data']), fields?.['pages']]
      if (!items || typeof pages !== 'number') throw api.nonsense('a page without data')
      return { items, more: page < pages }
    })
  return {
    zoneOf: zoneFinder(api, async () => {
      // A slave zone is a copy that cannot be written.
      const found = await listed('/domains', { type: 'master' })
      const zones = found.map((zone) => ({ id: textOf(zone['id']), name: textOf(zone['domain']) }))
      if (!zones.every((zone): zone is Zone => zone.id !== undefined && zone.name !== undefined))
        throw api.nonsense('a list of domains without names')
      return zones
    }),
    async find({ id, name: zone }, name) {
      const names = [name, withinZone(name, zone, '')]
      const found = await listed(`/domains/${encodeURIComponent(id)}/records`, { type: 'TXT' })
      const ours = found.filter((record) => record['type'] === 'TXT' && names.includes(textOf(record['name']) ?? ''))
      return recordsIn(api, ours, 'target')
    },
    async add({ id, name: zone }, { name, value }) {
      const json = {
        type: 'TXT',
        name: withinZone(name, zone, ''),
        target: value,
        ttl_sec: Math.max(ttl, leastTtl),
      }
      await api.send({ method: 'POST', url: `${base}/domains/${encodeURIComponent(id)}/records`, headers, json })
    },
    async remove(zone, id) {
      const url = `${base}/domains/${encodeURIComponent(zone.id)}/records/${encodeURIComponent(id)}`
      await api.send({ method: 'DELETE', url, headers, expected: [404] })
    },
  }
}
