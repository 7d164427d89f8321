// Porkbun: records with identifiers, everything by POST with the keys in the body (https://porkbun.com/api/json/v3/documentation).
import { fieldsOf, textOf } from '../json.ts'
import { type ProviderDefinition, wanted, withinZone } from '../provider.ts'
import { allPages, fieldIn, listIn, type NamedZone, overRecords, recordsIn, unlessDone, zoneFinder } from '../shapes.ts'

const base = 'https://api.porkbun.com/api/json/v3'
/** Domains come in chunks of so many. */
const domainsPerChunk = 1000
/** Seconds: Porkbun takes no less. */
const leastTtl = 600

export const porkbun: ProviderDefinition = {
  name: 'porkbun',
  title: 'Porkbun',
  documentation: 'https://porkbun.com/api/json/v3/documentation',
  prefix: 'PORKBUN',
  times: { ttl: leastTtl, propagationTimeout: 600, pollingInterval: 10 },
  variables: [
    { name: 'PORKBUN_API_KEY', about: 'API key', required: true },
    { name: 'PORKBUN_SECRET_API_KEY', about: 'secret API key', required: true },
  ],
  notes: [
    'API access must be switched on for the domain, too.',
    'Porkbun takes no TTL below 600; a lower one becomes that.',
  ],
  verified: 'against a fake of its documented interface; not at Porkbun itself',
  open(tools) {
    const { api } = tools
    const keys = { apikey: wanted(tools, 'PORKBUN_API_KEY'), secretapikey: wanted(tools, 'PORKBUN_SECRET_API_KEY') }
    const ttl = `${Math.max(tools.ttl, leastTtl)}`
    /** Nothing is harmed by asking twice: Porkbun takes no record that is there already, though it has no word for that. */
    const ask = async (path: string, more: Readonly<Record<string, string>> = {}): Promise<unknown> => {
      const url = `${base}/${path}`
      const answer = await api.send({
        method: 'POST',
        url,
        json: { ...keys, ...more },
        repeatable: true,
        expected: [400],
      })
      const body = answer.json()
      const { status, message } = fieldsOf(body) ?? {}
      if (status === 'SUCCESS' && answer.status < 400) return body
      if (status === 'ERROR') throw api.refusal(`'${path}': ${textOf(message)}`)
      throw api.nonsense(`an answer to '${path}' without a status`)
    }
    const find = async ({ name: zone }: NamedZone, name: string) => {
      const answer = await ask(`dns/retrieveByNameType/${zone}/TXT/${withinZone(name, zone, '')}`)
      return recordsIn(api, listIn(api, answer, 'records'), 'content')
    }
    return overRecords<NamedZone>({
      zoneOf: zoneFinder(api, () =>
        allPages(api, async (page) => {
          const answer = await ask('domain/listAll', { start: `${(page - 1) * domainsPerChunk}` })
          const items = listIn(api, answer, 'domains').map((one) => ({
            name: fieldIn(api, one, 'domain').toLowerCase(),
          }))
          return { items, more: items.length === domainsPerChunk }
        }),
      ),
      find,
      add: (zone, { name, value }) =>
        unlessDone(
          () =>
            ask(`dns/create/${zone.name}`, { type: 'TXT', name: withinZone(name, zone.name, ''), content: value, ttl }),
          async () => (await find(zone, name)).some((one) => one.value === value),
        ),
      remove: (zone, id, { name }) =>
        unlessDone(
          () => ask(`dns/delete/${zone.name}/${id}`),
          async () => !(await find(zone, name)).some((one) => one.id === id),
        ),
    })
  },
}
