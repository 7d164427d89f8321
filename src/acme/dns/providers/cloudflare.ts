// Cloudflare: records with identifiers (https://developers.cloudflare.com/api/resources/dns/).
import type { Api, ApiAnswer, ApiRequest } from '../api.ts'
import { fieldsOf, listOf } from '../json.ts'
import { given, missing, type ProviderDefinition, type ProviderTools } from '../provider.ts'
import { allPages, fieldIn, listIn, overRecords, recordsIn, zoneFinder } from '../shapes.ts'

const standardBase = 'https://api.cloudflare.com/client/v4'
/** Cloudflare's largest pages. */
const zonesPerPage = 50
const recordsPerPage = 100
/** "An identical record already exists", and its older form. */
const alreadyThere = [81058, 81057]

export const cloudflare: ProviderDefinition = {
  name: 'cloudflare',
  title: 'Cloudflare',
  documentation: 'https://developers.cloudflare.com/api/resources/dns/',
  prefix: 'CLOUDFLARE',
  times: { ttl: 120, propagationTimeout: 120, pollingInterval: 2 },
  variables: [
    {
      name: 'CLOUDFLARE_DNS_API_TOKEN',
      aliases: ['CF_DNS_API_TOKEN'],
      about: 'token with the permission Zone:DNS:Edit, and Zone:Zone:Read unless another has that',
    },
    {
      name: 'CLOUDFLARE_ZONE_API_TOKEN',
      aliases: ['CF_ZONE_API_TOKEN'],
      about: 'token with the permission Zone:Zone:Read, to find zones with',
    },
    { name: 'CLOUDFLARE_EMAIL', aliases: ['CF_API_EMAIL'], about: 'address of the account, with its key' },
    { name: 'CLOUDFLARE_API_KEY', aliases: ['CF_API_KEY'], about: 'global API key, which may do everything' },
    { name: 'CLOUDFLARE_BASE_URL', about: 'the interface, where it is not the public one', isPublic: true },
  ],
  notes: [
    'Either a token, or address and key must be set; with all of them address and key are used, as lego does it.',
  ],
  verified: 'against a fake of its documented interface; not at Cloudflare itself',
  open(tools) {
    const { api, ttl } = tools
    const { toEdit, toRead } = headersOf(tools)
    const base = (given(tools, 'CLOUDFLARE_BASE_URL') ?? standardBase).replace(/\/+$/, '')
    const send = sender(api, base)
    return overRecords({
      zoneOf: zoneFinder(api, () =>
        allPages(api, async (page) => {
          const answer = await send({ method: 'GET', headers: toRead }, `/zones?per_page=${zonesPerPage}&page=${page}`)
          const zones = listIn(api, answer, 'result')
          // A zone that was moved to another account may still be there, but serves nothing.
          const active = zones.filter(({ status }) => status !== 'moved' && status !== 'deactivated')
          const items = active.map((zone) => ({ id: fieldIn(api, zone, 'id'), name: fieldIn(api, zone, 'name') }))
          return { items, more: hasMore(answer, page) }
        }),
      ),
      find: ({ id }, name) =>
        allPages(api, async (page) => {
          const query = new URLSearchParams({ type: 'TXT', name, per_page: `${recordsPerPage}`, page: `${page}` })
          const answer = await send({ method: 'GET', headers: toEdit }, `/zones/${id}/dns_records?${query}`)
          return { items: recordsIn(api, listIn(api, answer, 'result'), 'content'), more: hasMore(answer, page) }
        }),
      async add({ id }, { name, value }) {
        const json = { type: 'TXT', name, content: `"${value}"`, ttl }
        const request = { method: 'POST', headers: toEdit, json } as const
        await send(request, `/zones/${id}/dns_records`, alreadyThere)
      },
      async remove({ id }, record) {
        const request = { method: 'DELETE', headers: toEdit, expected: [404] } as const
        await send(request, `/zones/${id}/dns_records/${record}`)
      },
    })
  },
}

/** Address and key come before tokens: credentials that have both work the same way as with lego. */
function headersOf(tools: ProviderTools) {
  const email = given(tools, 'CLOUDFLARE_EMAIL', 'CF_API_EMAIL')
  const key = given(tools, 'CLOUDFLARE_API_KEY', 'CF_API_KEY')
  if (email !== undefined && key !== undefined) {
    const headers = { 'X-Auth-Email': email, 'X-Auth-Key': key }
    return { toEdit: headers, toRead: headers }
  }
  const token = given(tools, 'CLOUDFLARE_DNS_API_TOKEN', 'CF_DNS_API_TOKEN')
  if (token === undefined) {
    if (email !== undefined) throw missing(['CLOUDFLARE_API_KEY', 'CF_API_KEY'])
    if (key !== undefined) throw missing(['CLOUDFLARE_EMAIL', 'CF_API_EMAIL'])
    throw missing(['CLOUDFLARE_DNS_API_TOKEN', 'CF_DNS_API_TOKEN'])
  }
  const reading = given(tools, 'CLOUDFLARE_ZONE_API_TOKEN', 'CF_ZONE_API_TOKEN') ?? token
  return { toEdit: { Authorization: `Bearer ${token}` }, toRead: { Authorization: `Bearer ${reading}` } }
}

const hasMore = (answer: unknown, page: number): boolean =>
  Number(fieldsOf(fieldsOf(answer)?.['result_info'])?.['total_pages'] ?? 1) > page

/** Answers say themselves whether they are good, whatever their status. `fine` are codes of errors that are none to us. */
function sender(api: Api, base: string) {
  return async (request: Omit<ApiRequest, 'url'>, path: string, fine: readonly number[] = []): Promise<unknown> => {
    const isFine = (answer: ApiAnswer) => {
      const codes = errorsIn(answer.json()).map(({ code }) => code)
      return codes.length > 0 && codes.every((code) => fine.includes(Number(code)))
    }
    const expected = [...(request.expected ?? []), ...(fine.length > 0 ? [400] : [])]
    const answer = await api.send({ ...request, url: base + path, expected })
    if (request.expected?.includes(answer.status)) return undefined
    const body = answer.json()
    if (fieldsOf(body)?.['success'] === true || isFine(answer)) return body
    const [first] = errorsIn(body)
    if (!first) throw api.nonsense('an answer without success or errors')
    throw api.refusal(`'${request.method} ${path.split('?', 1)[0]}': ${first['message']} (code ${first['code']})`)
  }
}

const errorsIn = (body: unknown) => listOf(fieldsOf(body)?.['errors']) ?? []
