// DigitalOcean: records with identifiers (https://docs.digitalocean.com/reference/api/digitalocean/#tag/Domain-Records).
import { fieldsOf } from '../json.ts'
import { given, type ProviderDefinition, wanted, withinZone } from '../provider.ts'
import { allPages, fieldIn, listIn, type NamedZone, overRecords, recordsIn, zoneFinder } from '../shapes.ts'

const standardBase = 'https://api.digitalocean.com'
/** DigitalOcean's largest page. */
const perPage = 200
/** Seconds: DigitalOcean takes no less. */
const leastTtl = 30

export const digitalocean: ProviderDefinition = {
  name: 'digitalocean',
  title: 'DigitalOcean',
  documentation: 'https://docs.digitalocean.com/reference/api/digitalocean/#tag/Domain-Records',
  prefix: 'DO',
  times: { ttl: leastTtl, propagationTimeout: 60, pollingInterval: 5 },
  variables: [
    { name: 'DO_AUTH_TOKEN', about: 'token of an account or a team', required: true },
    { name: 'DO_API_URL', about: 'the interface, where it is not the public one', isPublic: true },
  ],
  notes: [
    'A token with scopes of its own needs domain:read, domain:create and domain:delete.',
    'DigitalOcean takes no TTL below 30; a lower one becomes that.',
  ],
  verified: 'against a fake of its documented interface; not at DigitalOcean itself',
  open(tools) {
    const { api } = tools
    const headers = { Authorization: `Bearer ${wanted(tools, 'DO_AUTH_TOKEN')}` }
    const ttl = Math.max(tools.ttl, leastTtl)
    const base = `${(given(tools, 'DO_API_URL') ?? standardBase).replace(/\/+$/, '')}/v2/domains`
    const listed = async (url: string, name: string) => {
      const answer = (await api.send({ method: 'GET', url, headers })).json()
      const pages = fieldsOf(fieldsOf(fieldsOf(answer)?.['links'])?.['pages'])
      return { list: listIn(api, answer, name), more: pages?.['next'] !== undefined }
    }
    return overRecords<NamedZone>({
      zoneOf: zoneFinder(api, () =>
        allPages(api, async (page) => {
          const { list, more } = await listed(`${base}?per_page=${perPage}&page=${page}`, 'domains')
          return { items: list.map((zone) => ({ name: fieldIn(api, zone, 'name').toLowerCase() })), more }
        }),
      ),
      find: (zone, name) =>
        allPages(api, async (page) => {
          const query = new URLSearchParams({ type: 'TXT', name, per_page: `${perPage}`, page: `${page}` })
          const { list, more } = await listed(`${base}/${zone.name}/records?${query}`, 'domain_records')
          return { items: recordsIn(api, list, 'data'), more }
        }),
      async add(zone, { name, value }) {
        const json = { type: 'TXT', name: withinZone(name, zone.name), data: value, ttl }
        await api.send({ method: 'POST', url: `${base}/${zone.name}/records`, headers, json })
      },
      async remove(zone, id) {
        await api.send({ method: 'DELETE', url: `${base}/${zone.name}/records/${id}`, headers, expected: [404] })
      },
    })
  },
}
