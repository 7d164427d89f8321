// GoDaddy (https://developer.godaddy.com/doc/endpoint/domains): the records of one name and type are read and written as a
// set; a value is added without the others being named.
import type { ApiAnswer, ApiRequest } from '../api.ts'
import { fieldsOf, listOf, textOf, unquoted } from '../json.ts'
import { type DnsProvider, type ProviderDefinition, type ProviderTools, wanted, withinZone } from '../provider.ts'
import { allFollowed, zoneFinder } from '../shapes.ts'

const base = 'https://api.godaddy.com/v1/domains'
/** Seconds: GoDaddy takes no less. */
const leastTtl = 600
/** The largest page of domains. */
const pageSize = 1000

export const godaddy: ProviderDefinition = {
  name: 'godaddy',
  title: 'GoDaddy',
  documentation: 'https://developer.godaddy.com/doc/endpoint/domains',
  prefix: 'GODADDY',
  times: { ttl: leastTtl, propagationTimeout: 120, pollingInterval: 2 },
  variables: [
    {
      name: 'GODADDY_API_KEY',
      about: 'key for production; GoDaddy gives access to some accounts only',
      required: true,
    },
    { name: 'GODADDY_API_SECRET', about: 'its secret', required: true },
  ],
  verified: 'against a fake of its documented interface; not at GoDaddy itself',
  oneByOne: true,
  open: providerOf,
}

/** GoDaddy tells the seconds in the body. */
function tooOften({ status, text }: ApiAnswer): boolean | number {
  if (status !== 429) return false
  const [, seconds] = /"retryAfterSec"\s*:\s*(\d{1,9})/.exec(text) ?? []
  return seconds === undefined || Number(seconds)
}

function providerOf(tools: ProviderTools): DnsProvider {
  const { api, ttl } = tools
  const [key, secret] = [wanted(tools, 'GODADDY_API_KEY'), wanted(tools, 'GODADDY_API_SECRET')]
  const headers = { Authorization: `sso-key ${key}:${secret}` }
  const send = (request: Omit<ApiRequest, 'headers'>) => api.send({ ...request, headers, tooOften })
  const listIn = (answer: ApiAnswer) => {
    const list = listOf(answer.json())
    if (!list) throw api.nonsense('something else than a list')
    return list
  }

  const zoneOf = zoneFinder(api, () =>
    allFollowed(api, async (marker: string | undefined) => {
      const query = new URLSearchParams({
        statuses: 'ACTIVE',
        limit: String(pageSize),
        ...(marker !== undefined && { marker }),
      })
      const items = listIn(await send({ method: 'GET', url: `${base}?${query}` })).map(({ domain }) => ({
        name: textOf(domain) ?? '',
      }))
      return { items, next: items.length < pageSize ? undefined : items.at(-1)?.name }
    }),
  )
  const setUrl = (zone: string, name: string) =>
    `${base}/${encodeURIComponent(zone)}/records/TXT/${encodeURIComponent(withinZone(name, zone))}`
  const recordsAt = async (zone: string, name: string) => listIn(await send({ method: 'GET', url: setUrl(zone, name) }))
  const contentOf = (record: Readonly<Record<string, unknown>>) => unquoted(textOf(record['data']) ?? '')
  return {
    async present({ name, value }) {
      const zone = (await zoneOf(name)).name
      if ((await recordsAt(zone, name)).some((record) => contentOf(record) === value)) return
      const record = { type: 'TXT', name: withinZone(name, zone), data: value, ttl: Math.max(ttl, leastTtl) }
      const url = `${base}/${encodeURIComponent(zone)}/records`
      const answer = await send({ method: 'PATCH', url, json: [record], expected: [422] })
      if (answer.status !== 422) return
      const { code, message } = fieldsOf(answer.json()) ?? {}
      if (code !== 'DUPLICATE_RECORD') throw api.refusal(`'${name}': ${textOf(message) ?? 'status 422'}`)
    },
    async cleanUp({ name, value }) {
      const zone = (await zoneOf(name)).name
      const before = await recordsAt(zone, name)
      const after = before.filter((record) => contentOf(record) !== value && textOf(record['data']) !== '')
      if (!before.some((record) => contentOf(record) === value)) return
      // The others go back as they came; GoDaddy takes no empty set.
      if (after.length > 0) await send({ method: 'PUT', url: setUrl(zone, name), json: after })
      else await send({ method: 'DELETE', url: setUrl(zone, name), expected: [404] })
    },
  }
}
