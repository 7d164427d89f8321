// Njalla: records with identifiers, by JSON-RPC; errors come with status 200 (https://njal.la/api/).
import { fieldsOf, textOf, unquoted } from '../json.ts'
import { type ProviderDefinition, wanted, withinZone } from '../provider.ts'
import { fieldIn, listIn, type NamedZone, overRecords, zoneFinder } from '../shapes.ts'

const url = 'https://njal.la/api/1/'

export const njalla: ProviderDefinition = {
  name: 'njalla',
  title: 'Njalla',
  documentation: 'https://njal.la/api/',
  prefix: 'NJALLA',
  times: { ttl: 300, propagationTimeout: 60, pollingInterval: 2 },
  variables: [{ name: 'NJALLA_TOKEN', about: 'token of an account', required: true }],
  verified: 'against a fake of its documented interface; not at Njalla itself',
  open(tools) {
    const { api, ttl } = tools
    const headers = { Authorization: `Njalla ${wanted(tools, 'NJALLA_TOKEN')}` }
    const call = async (method: string, params: Readonly<Record<string, unknown>>): Promise<unknown> => {
      const repeatable = method !== 'add-record'
      const answer = await api.send({ method: 'POST', url, headers, json: { method, params }, repeatable })
      const { error, result } = fieldsOf(answer.json()) ?? {}
      const { code, message } = fieldsOf(error) ?? {}
      if (error !== undefined && error !== null)
        throw api.refusal(`'${method}': ${textOf(message)} (code ${textOf(code)})`)
      if (fieldsOf(result)) return result
      throw api.nonsense(`an answer to '${method}' without a result`)
    }
    return overRecords<NamedZone>({
      zoneOf: zoneFinder(api, async () =>
        listIn(api, await call('list-domains', {}), 'domains').map((one) => ({
          name: fieldIn(api, one, 'name').toLowerCase(),
        })),
      ),
      async find({ name: domain }, name) {
        const records = listIn(api, await call('list-records', { domain }), 'records')
        return (
          records
            .filter((one) => one['type'] === 'TXT' && one['name'] === withinZone(name, domain))
            // It goes back as the number or the text that it came as.
            .map((one) => ({ id: JSON.stringify(one['id']), value: unquoted(fieldIn(api, one, 'content')) }))
        )
      },
      async add({ name: domain }, { name, value }) {
        await call('add-record', { domain, name: withinZone(name, domain), type: 'TXT', content: value, ttl })
      },
      async remove({ name: domain }, id) {
        await call('remove-record', { domain, id: JSON.parse(id) })
      },
    })
  },
}
