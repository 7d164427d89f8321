// deSEC: whole sets of records are read and written (https://desec.readthedocs.io/en/latest/dns/rrsets.html).
import type { ApiAnswer } from '../api.ts'
import { fieldsOf, listOf, textOf, unquoted } from '../json.ts'
import {
  candidateZones,
  type ProviderDefinition,
  type ProviderTools,
  type TxtRecord,
  wanted,
  withinZone,
} from '../provider.ts'

const base = 'https://desec.io/api/v1'
/** Seconds: deSEC takes no less. */
const leastTtl = 3600

export const desec: ProviderDefinition = {
  name: 'desec',
  title: 'deSEC',
  documentation: 'https://desec.readthedocs.io/en/latest/dns/rrsets.html',
  prefix: 'DESEC',
  times: { ttl: leastTtl, propagationTimeout: 120, pollingInterval: 4 },
  variables: [{ name: 'DESEC_TOKEN', about: 'token of an account', required: true }],
  notes: ['deSEC takes no TTL below 3600; a lower one becomes that.'],
  verified: 'against a fake of its documented interface; not at deSEC itself',
  oneByOne: true,
  open(tools) {
    const change = changer(tools)
    return {
      present: ({ name, value }) => change(name, (values) => (values.includes(value) ? values : [...values, value])),
      cleanUp: ({ name, value }) => change(name, (values) => values.filter((other) => other !== value)),
    }
  },
}

function changer(tools: ProviderTools) {
  const { api, ttl } = tools
  const headers = { Authorization: `Token ${wanted(tools, 'DESEC_TOKEN')}` }

  /** The account's zone with this name in it. */
  const zoneOf = async (name: TxtRecord['name']): Promise<string> => {
    const answer = await api.send({
      method: 'GET',
      url: `${base}/domains/?owns_qname=${encodeURIComponent(name)}`,
      headers,
    })
    const zone = textOf(listOf(answer.json())?.[0]?.['name'])
    if (zone !== undefined && candidateZones(name).includes(zone)) return zone
    throw api.refusal(`'${name}': the account holds no zone for it`)
  }
  const valuesIn = (answer: ApiAnswer): readonly string[] => {
    const records = fieldsOf(answer.json())?.['records']
    if (!Array.isArray(records)) throw api.nonsense('a set of records without records')
    return records.map((record) => unquoted(String(record)))
  }
  return async (name: string, make: (values: readonly string[]) => readonly string[]): Promise<void> => {
    const zone = await zoneOf(name)
    const url = `${base}/domains/${zone}/rrsets/${withinZone(name, zone)}/TXT/`
    const found = await api.send({ method: 'GET', url, headers, expected: [404] })
    const before = found.status === 404 ? [] : valuesIn(found)
    const after = make(before)
    if (after === before || after.length === before.length) return
    const set = { subname: withinZone(name, zone, ''), type: 'TXT', ttl: Math.max(ttl, leastTtl) }
    // An empty set is one that is removed.
    const json = [{ ...set, records: after.map((value) => `"${value}"`) }]
    await api.send({ method: 'PUT', url: `${base}/domains/${zone}/rrsets/`, headers, json })
  }
}
