// Azure DNS (https://learn.microsoft.com/en-us/rest/api/dns/record-sets), public and private zones: sets are read and written
// as a whole, by their etag only when nobody else wrote meanwhile.

import type { ApiAnswer } from '../api.ts'
import { azureLogin, azureVariables, cloudOf } from '../azure.ts'
import { fieldsOf, listOf, textOf } from '../json.ts'
import { bearing } from '../oauth.ts'
import { type DnsProvider, given, type ProviderDefinition, type ProviderTools, withinZone } from '../provider.ts'
import { Session } from '../session.ts'
import { allFollowed, untilWritten, zoneFinder } from '../shapes.ts'

/** Rows of a page of the Resource Graph: its most. */
const pageSize = 1000
/** Of Resource Graph, public zones and private zones. */
const versions = { graph: '2021-03-01', public: '2018-05-01', private: '2018-09-01' }

type Fields = Readonly<Record<string, unknown>>
type Send = ReturnType<typeof bearing>

interface Zone {
  readonly name: string
  readonly subscription: string
  readonly group: string
}

interface RecordSet {
  readonly etag: string | undefined
  /** Each value in its pieces. */
  readonly values: readonly (readonly string[])[]
  /** What else it has, which goes back as it came. */
  readonly rest: Fields
  readonly ttl: unknown
}

export const azuredns: ProviderDefinition = {
  name: 'azuredns',
  title: 'Azure DNS',
  documentation: 'https://learn.microsoft.com/en-us/rest/api/dns/record-sets',
  prefix: 'AZURE',
  times: { ttl: 60, propagationTimeout: 120, pollingInterval: 2 },
  variables: [
    ...azureVariables,
    { name: 'AZURE_SUBSCRIPTION_ID', about: 'only zones of this subscription are looked at' },
    { name: 'AZURE_RESOURCE_GROUP', about: 'only zones of this resource group are looked at' },
    { name: 'AZURE_ZONE_NAME', about: 'the zone; with subscription and resource group it need not be looked for' },
    { name: 'AZURE_PRIVATE_ZONE', about: 'true for private zones' },
    { name: 'AZURE_SERVICEDISCOVERY_FILTER', about: 'condition in Kusto that zones must fulfil' },
  ],
  notes: [
    'Zones are found by the Resource Graph, which shows those that the identity may read.',
    'The methods cli and pipeline, and the identity services of Azure Arc and App Service, are refused; with engine = "lego" lego has them.',
  ],
  verified:
    'against a fake of its documented interface, which checks signatures, and of the metadata service of a virtual machine; not at Azure itself',
  oneByOne: true,
  open: providerOf,
}

function providerOf(tools: ProviderTools): DnsProvider {
  const cloud = cloudOf(tools)
  const send = bearing(tools.api, new Session(azureLogin(tools, cloud)))
  const isPrivate = /^(1|t|true)$/i.test(given(tools, 'AZURE_PRIVATE_ZONE') ?? '')
  const zoneOf = zoneFinder(tools.api, zoneLister(tools, send, cloud.management, isPrivate))
  const sets = setsOf(tools, send, cloud.management, isPrivate)

  const change = (name: string, make: (values: RecordSet['values']) => RecordSet['values']) =>
    untilWritten(tools, name, async () => {
      const zone = await zoneOf(name)
      const before = await sets.read(zone, name)
      const values = make(before.values)
      return values.length === before.values.length || sets.write(zone, name, { ...before, values })
    })
  const isOf = (value: string) => (pieces: readonly string[]) => pieces.join('') === value
  return {
    present: ({ name, value }) => change(name, (all) => (all.some(isOf(value)) ? all : [...all, [value]])),
    cleanUp: ({ name, value }) => change(name, (all) => all.filter((pieces) => !isOf(value)(pieces))),
  }
}

/** Lists the zones that the variables leave: https://learn.microsoft.com/en-us/rest/api/azureresourcegraph */
function zoneLister(tools: ProviderTools, send: Send, management: string, isPrivate: boolean): () => Promise<Zone[]> {
  const { api } = tools
  const subscription = given(tools, 'AZURE_SUBSCRIPTION_ID')
  const group = given(tools, 'AZURE_RESOURCE_GROUP')
  const only = given(tools, 'AZURE_ZONE_NAME')?.replace(/\.$/, '').toLowerCase()
  const filter = given(tools, 'AZURE_SERVICEDISCOVERY_FILTER')
  const query = [
    'resources',
    `| where type =~ "microsoft.network/${isPrivate ? 'privatednszones' : 'dnszones'}"`,
    ...(subscription === undefined ? [] : [`| where subscriptionId =~ ${JSON.stringify(subscription)}`]),
    ...(group === undefined ? [] : [`| where resourceGroup =~ ${JSON.stringify(group)}`]),
    ...(filter === undefined ? [] : [`| ${filter}`]),
    '| project subscriptionId, resourceGroup, name',
  ].join('\n')
  const url = `${management}/providers/Microsoft.ResourceGraph/resources?api-version=${versions.graph}`
  return async () => {
    if (only !== undefined && subscription !== undefined && group !== undefined)
      return [{ name: only, subscription, group }]
    const rows = await allFollowed(api, async (token: string | undefined) => {
      const options = { resultFormat: 'objectArray', $top: pageSize, ...(token !== undefined && { $skipToken: token }) }
      const answer = await send({ method: 'POST', url, json: { query, options }, repeatable: true })
      const fields = fieldsOf(answer.json())
      const items = listOf(fields?.['data'])
      if (!items) throw api.nonsense('an answer of the Resource Graph without data')
      return { items, next: textOf(fields?.['$skipToken']) }
    })
    const zones = rows.map((row) => zoneIn(tools, row)).filter(({ name }) => only === undefined || name === only)
    const twice = zones.find(({ name }, i) => zones.findIndex((other) => other.name === name) < i)
    if (!twice) return zones
    const hints = ["set 'AZURE_SUBSCRIPTION_ID' and 'AZURE_RESOURCE_GROUP'"]
    throw api.refusal(`to tell which zone '${twice.name}' is meant: the identity sees several`, hints)
  }
}

function zoneIn({ api }: ProviderTools, row: Fields): Zone {
  const [name, subscription, group] = [row['name'], row['subscriptionId'], row['resourceGroup']].map(textOf)
  if (name === undefined || subscription === undefined || group === undefined)
    throw api.nonsense('a zone without name, subscription or resource group')
  return { name: name.replace(/\.$/, '').toLowerCase(), subscription, group }
}

function setsOf({ api, ttl }: ProviderTools, send: Send, management: string, isPrivate: boolean) {
  const [kind, version] = isPrivate ? ['privateDnsZones', versions.private] : ['dnsZones', versions.public]
  // The two interfaces write the same in two ways.
  const [ttlField, listField] = isPrivate ? ['ttl', 'txtRecords'] : ['TTL', 'TXTRecords']
  const urlOf = (zone: Zone, name: string) => {
    const path = ['subscriptions', zone.subscription, 'resourceGroups', zone.group, 'providers', 'Microsoft.Network']
    const all = [...path, kind, zone.name, 'TXT', withinZone(name, zone.name)].map(encodeURIComponent)
    return `${management}/${all.join('/')}?api-version=${version}`
  }
  const setIn = (answer: ApiAnswer): RecordSet => {
    const fields = fieldsOf(answer.json())
    const properties = fieldsOf(fields?.['properties'])
    const list = listOf(properties?.[listField] ?? [])
    if (!fields || !properties || !list) throw api.nonsense('a set without records')
    const values = list.map(({ value }) => {
      if (Array.isArray(value)) return value.map(String)
      throw api.nonsense('a TXT record without a value')
    })
    const metadata = fieldsOf(properties['metadata'])
    return { etag: textOf(fields['etag']), values, rest: metadata ? { metadata } : {}, ttl: properties[ttlField] }
  }
  return {
    async read(zone: Zone, name: string): Promise<RecordSet> {
      const answer = await send({ method: 'GET', url: urlOf(zone, name), expected: [404] })
      return answer.status === 404 ? { etag: undefined, values: [], rest: {}, ttl: undefined } : setIn(answer)
    },
    /** False: somebody else wrote first. */
    async write(zone: Zone, name: string, { etag, values, rest, ttl: seconds }: RecordSet): Promise<boolean> {
      const headers: Record<string, string> = etag === undefined ? { 'If-None-Match': '*' } : { 'If-Match': etag }
      const records = values.map((value) => ({ value }))
      const properties = { ...rest, [ttlField]: typeof seconds === 'number' ? seconds : ttl, [listField]: records }
      const answer =
        values.length > 0
          ? await send({ method: 'PUT', url: urlOf(zone, name), headers, json: { properties }, expected: [412] })
          : await send({ method: 'DELETE', url: urlOf(zone, name), headers, expected: [404, 412] })
      return answer.status !== 412
    },
  }
}
