// Hetzner: the Cloud interface, which knows sets of values (https://docs.hetzner.cloud/reference/cloud#dns), and the older one
// of the DNS Console, which knows records (https://dns.hetzner.com/api-docs). The variable that is set tells which.
import { pause } from '../../pace.ts'
import type { Api, ApiAnswer } from '../api.ts'
import { fieldsOf, textOf, unquoted } from '../json.ts'
import {
  type DnsProvider,
  given,
  missing,
  type ProviderDefinition,
  type ProviderTools,
  type TxtRecord,
  withinZone,
} from '../provider.ts'
import { allPages, fieldIn, listIn, overRecords, unlessDone, zoneFinder } from '../shapes.ts'

const cloudBase = 'https://api.hetzner.cloud/v1'
const consoleBase = 'https://dns.hetzner.com/api/v1'
const zonesPerPage = { cloud: 50, console: 100 }
/** Times, a second apart, that the end of an action is asked for. */
const mostLooks = 60

export const hetzner: ProviderDefinition = {
  name: 'hetzner',
  title: 'Hetzner',
  documentation: 'https://docs.hetzner.cloud/reference/cloud#dns',
  prefix: 'HETZNER',
  times: { ttl: 120, propagationTimeout: 60, pollingInterval: 2 },
  variables: [
    { name: 'HETZNER_API_TOKEN', about: 'token of a project in the Cloud Console that may read and write' },
    { name: 'HETZNER_API_KEY', about: 'token of the older DNS Console' },
  ],
  notes: [
    'One of the two must be set; with both the Cloud is asked.',
    'A zone is either in the Cloud Console or in the DNS Console, and only the interface of that one knows it.',
  ],
  verified: 'against fakes of both documented interfaces; not at Hetzner itself',
  oneByOne: true,
  open(tools) {
    const token = given(tools, 'HETZNER_API_TOKEN')
    if (token !== undefined) return overCloud(tools, token)
    const key = given(tools, 'HETZNER_API_KEY')
    if (key !== undefined) return overConsole(tools, key)
    throw missing(['HETZNER_API_TOKEN', 'HETZNER_API_KEY'])
  },
}

interface Zone {
  readonly id: string
  readonly name: string
}

const zonesIn = (api: Api, answer: unknown): readonly Zone[] =>
  listIn(api, answer, 'zones').map((zone) => ({ id: fieldIn(api, zone, 'id'), name: fieldIn(api, zone, 'name') }))

/** Both interfaces tell of further pages in the same place, in two ways. */
function hasMore(answer: unknown, page: number): boolean {
  const pages = fieldsOf(fieldsOf(fieldsOf(answer)?.['meta'])?.['pagination'])
  return Number(pages?.['last_page'] ?? 1) > page
}

function overConsole({ api, ttl }: ProviderTools, key: string): DnsProvider {
  const headers = { 'Auth-API-Token': key }
  const get = async (path: string) => (await api.send({ method: 'GET', url: consoleBase + path, headers })).json()
  return overRecords<Zone>({
    zoneOf: zoneFinder(api, () =>
      allPages(api, async (page) => {
        const answer = await get(`/zones?per_page=${zonesPerPage.console}&page=${page}`)
        return { items: zonesIn(api, answer), more: hasMore(answer, page) }
      }),
    ),
    find: (zone, name) =>
      allPages(api, async (page) => {
        const answer = await get(`/records?zone_id=${zone.id}&per_page=${zonesPerPage.console}&page=${page}`)
        const items = listIn(api, answer, 'records')
          .filter((one) => one['type'] === 'TXT' && one['name'] === withinZone(name, zone.name))
          .map((one) => ({ id: fieldIn(api, one, 'id'), value: unquoted(fieldIn(api, one, 'value')) }))
        return { items, more: hasMore(answer, page) }
      }),
    async add(zone, { name, value }) {
      const json = { zone_id: zone.id, type: 'TXT', name: withinZone(name, zone.name), value, ttl: Math.max(ttl, 60) }
      await api.send({ method: 'POST', url: `${consoleBase}/records`, headers, json })
    },
    async remove(_, id) {
      await api.send({ method: 'DELETE', url: `${consoleBase}/records/${id}`, headers, expected: [404] })
    },
  })
}

function overCloud({ api, ttl, signal }: ProviderTools, token: string): DnsProvider {
  const headers = { Authorization: `Bearer ${token}` }
  const get = (path: string, expected: readonly number[] = []) =>
    api.send({ method: 'GET', url: cloudBase + path, headers, expected, tooOften: isBusy })
  const zoneOf = zoneFinder(api, () =>
    allPages(api, async (page) => {
      const answer = (await get(`/zones?per_page=${zonesPerPage.cloud}&page=${page}`)).json()
      return { items: zonesIn(api, answer), more: hasMore(answer, page) }
    }),
  )
  /** Values at the name; undefined where there is no set. */
  const valuesAt = async (path: string): Promise<readonly string[] | undefined> => {
    const answer = await get(path, [404])
    if (answer.status === 404) return undefined
    const records = listIn(api, fieldsOf(answer.json())?.['rrset'], 'records')
    return records.map((record) => fieldIn(api, record, 'value'))
  }
  const setOf = async (name: string) => {
    const zone = await zoneOf(name)
    return `/zones/${zone.id}/rrsets/${withinZone(name, zone.name)}/TXT`
  }
  const act = async (path: string, json: unknown): Promise<void> => {
    const answer = await api.send({ method: 'POST', url: cloudBase + path, headers, json, tooOften: isBusy })
    let action = fieldsOf(answer.json())?.['action']
    for (let look = 1; fieldsOf(action)?.['status'] === 'running'; look++) {
      if (look > mostLooks) throw api.nonsense(`an action that is not done after ${mostLooks} s`)
      await pause(1, signal)
      action = fieldsOf((await get(`/actions/${textOf(fieldsOf(action)?.['id'])}`)).json())?.['action']
    }
    const { status, error } = fieldsOf(action) ?? {}
    if (status === 'error') throw api.refusal(`'POST ${path}': ${textOf(fieldsOf(error)?.['message'])}`)
    if (status !== 'success') throw api.nonsense('an action without a status')
  }
  return {
    async present({ name, value }: TxtRecord) {
      const path = await setOf(name)
      const values = await valuesAt(path)
      if (values?.some((one) => unquoted(one) === value)) return
      // A TTL that differs from that of a set which is there would be refused.
      const json = { records: [{ value: `"${value}"` }], ...(values === undefined && { ttl: Math.max(ttl, 60) }) }
      const isThere = async () => (await valuesAt(path))?.some((one) => unquoted(one) === value) === true
      await unlessDone(() => act(`${path}/actions/add_records`, json), isThere)
    },
    async cleanUp({ name, value }: TxtRecord) {
      const path = await setOf(name)
      const ours = (await valuesAt(path))?.filter((one) => unquoted(one) === value) ?? []
      if (ours.length === 0) return
      const records = ours.map((one) => ({ value: one }))
      const isGone = async () => (await valuesAt(path))?.some((one) => ours.includes(one)) !== true
      await unlessDone(() => act(`${path}/actions/remove_records`, { records }), isGone)
    },
  }
}

/** Another action holds the zone for a moment. */
function isBusy({ status, text }: ApiAnswer): boolean {
  return (status === 409 || status === 423) && /"code":\s*"(conflict|locked)"/.test(text)
}
