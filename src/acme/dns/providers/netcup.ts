// netcup (https://ccp.netcup.net/run/webservice/servers/endpoint.php), the JSON interface of its customer control panel: one
// URL, a session that ends at any time, and refusals in answers with status 200.
import type { ApiAnswer } from '../api.ts'
import { fieldsOf, listOf, textOf } from '../json.ts'
import { type DnsProvider, type ProviderDefinition, type ProviderTools, wanted, withinZone } from '../provider.ts'
import { Session, SessionOver } from '../session.ts'
import { overRecords, recordsIn } from '../shapes.ts'

const endpoint = 'https://ccp.netcup.net/run/webservice/servers/endpoint.php?JSON'
/** The status code of a session that netcup does not know (any more). */
const sessionUnknown = 4001
/** Seconds: 180 requests are allowed in a minute. */
const limitSeconds = 20

export const netcup: ProviderDefinition = {
  name: 'netcup',
  title: 'netcup',
  documentation: 'https://ccp.netcup.net/run/webservice/servers/endpoint.php',
  prefix: 'NETCUP',
  times: { ttl: 120, propagationTimeout: 900, pollingInterval: 30 },
  variables: [
    { name: 'NETCUP_CUSTOMER_NUMBER', about: 'customer number', required: true },
    { name: 'NETCUP_API_KEY', about: 'API key', required: true },
    { name: 'NETCUP_API_PASSWORD', about: 'API password', required: true },
  ],
  notes: ['netcup has one TTL for a whole zone: that of records is not sent.'],
  verified: 'against a fake of its documented interface; not at netcup itself',
  oneByOne: true,
  open: providerOf,
}

/** Is it the answer to more requests in a minute than are allowed? It has status 200, and a code that means other things, too. */
export const tooOften = ({ text }: Pick<ApiAnswer, 'text'>): false | number =>
  /"longmessage"\s*:\s*"More than \d+ requests per minute/.test(text) && limitSeconds

type Fields = Readonly<Record<string, unknown>>

function providerOf(tools: ProviderTools): DnsProvider {
  const { api, zoneOf } = tools
  const customernumber = wanted(tools, 'NETCUP_CUSTOMER_NUMBER')
  const apikey = wanted(tools, 'NETCUP_API_KEY')
  const apipassword = wanted(tools, 'NETCUP_API_PASSWORD')

  /** Throws SessionOver, and `refused` (76) for everything else that is no success. */
  const call = async (action: string, param: Fields, repeatable: boolean): Promise<Fields> => {
    const json = { action, param: { customernumber, apikey, ...param } }
    const answer = await api.send({ method: 'POST', url: endpoint, json, repeatable, tooOften })
    const fields = fieldsOf(answer.json())
    if (textOf(fields?.['status']) === undefined) throw api.nonsense('an answer without a status')
    if (fields?.['status'] === 'success') return fieldsOf(fields['responsedata']) ?? {}
    const [code, words] = [textOf(fields?.['statuscode']), textOf(fields?.['longmessage'])]
    const hints = action === 'login' ? ['check the customer number, the API key and the API password'] : []
    const domain = textOf(param['domainname'])
    const what = domain === undefined ? `'${action}'` : `'${action}' of '${domain}'`
    const refusal = api.refusal(`${what}: ${words?.trim()} (code ${code})`, hints)
    throw Number(code) === sessionUnknown ? new SessionOver(refusal) : refusal
  }
  const session = new Session(async () => {
    const id = textOf((await call('login', { apipassword }, true))['apisessionid'])
    if (id === undefined || id === '') throw api.nonsense('a login without a session')
    return api.hide(id)
  })
  const ask = (action: string, param: Fields, repeatable = false) =>
    session.use((apisessionid) => call(action, { ...param, apisessionid }, repeatable))

  const recordsOf = async (domainname: string) => {
    const records = listOf((await ask('infoDnsRecords', { domainname }, true))['dnsrecords'])
    if (!records) throw api.nonsense('a zone without records')
    return records
  }
  // A set that is sent changes the records in it, and no others.
  const update = (domainname: string, record: Fields) =>
    ask('updateDnsRecords', { domainname, dnsrecordset: { dnsrecords: [record] } })
  return overRecords<string>({
    zoneOf,
    async find(zone, name) {
      const hostname = withinZone(name, zone)
      const all = await recordsOf(zone)
      const ours = all.filter((record) => record['type'] === 'TXT' && record['hostname'] === hostname)
      return recordsIn(api, ours, 'destination')
    },
    async add(zone, { name, value }) {
      await update(zone, { hostname: withinZone(name, zone), type: 'TXT', destination: value })
    },
    async remove(zone, id, { name }) {
      const record = (await recordsOf(zone)).find((one) => textOf(one['id']) === id)
      if (record?.['type'] === 'TXT' && record['hostname'] === withinZone(name, zone))
        await update(zone, { ...record, deleterecord: true })
    },
  })
}
