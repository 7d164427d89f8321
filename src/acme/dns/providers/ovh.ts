// OVHcloud: records with identifiers, signed requests or OAuth2 (https://eu.api.ovh.com/console/?section=%2Fdomain&branch=v1,
// https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api?id=kb_article_view&sysparm_article=KB0042777).
import { createHash } from 'node:crypto'
import { NixacmeError } from '../../../errors.ts'
import { type Api, ApiRefusal, type ApiRequest } from '../api.ts'
import { fieldsOf, textOf, unquoted } from '../json.ts'
import {
  type DnsProvider,
  given,
  missing,
  type ProviderDefinition,
  type ProviderTools,
  type TxtRecord,
  wanted,
  withinZone,
} from '../provider.ts'
import { fieldIn } from '../shapes.ts'

/** The interface, and where OAuth2 gives tokens for it. */
const endpoints: Readonly<Record<string, { readonly base: string; readonly tokens?: string }>> = {
  'ovh-eu': { base: 'https://eu.api.ovh.com/1.0', tokens: 'https://www.ovh.com/auth/oauth2/token' },
  'ovh-ca': { base: 'https://ca.api.ovh.com/1.0', tokens: 'https://ca.ovh.com/auth/oauth2/token' },
  'ovh-us': { base: 'https://api.us.ovhcloud.com/1.0', tokens: 'https://us.ovhcloud.com/auth/oauth2/token' },
  'kimsufi-eu': { base: 'https://eu.api.kimsufi.com/1.0' },
  'kimsufi-ca': { base: 'https://ca.api.kimsufi.com/1.0' },
  'soyoustart-eu': { base: 'https://eu.api.soyoustart.com/1.0' },
  'soyoustart-ca': { base: 'https://ca.api.soyoustart.com/1.0' },
}

export const ovh: ProviderDefinition = {
  name: 'ovh',
  title: 'OVHcloud',
  documentation: 'https://eu.api.ovh.com/console/?section=%2Fdomain&branch=v1',
  prefix: 'OVH',
  times: { ttl: 120, propagationTimeout: 60, pollingInterval: 2 },
  variables: [
    { name: 'OVH_ENDPOINT', about: `one of ${Object.keys(endpoints).join(', ')}; by default ovh-eu`, isPublic: true },
    { name: 'OVH_APPLICATION_KEY', about: 'key of an application' },
    { name: 'OVH_APPLICATION_SECRET', about: 'secret of the application' },
    { name: 'OVH_CONSUMER_KEY', about: 'key of the one who uses it' },
    { name: 'OVH_CLIENT_ID', about: 'service account, for OAuth2' },
    { name: 'OVH_CLIENT_SECRET', about: 'secret of the service account' },
    { name: 'OVH_ACCESS_TOKEN', about: 'token that somebody else has asked for' },
  ],
  notes: [
    'Exactly one of the three ways must be set: the application with its three keys, the service account, or the token.',
    'The rights needed are GET, POST and DELETE on /domain/zone/*.',
    'Without GET, as lego has it, records are added and removed, but those of a run that was killed stay.',
  ],
  verified: 'against a fake of its documented interface, which checks each signature; not at OVHcloud itself',
  oneByOne: true,
  open: overOvh,
}

function overOvh(tools: ProviderTools): DnsProvider {
  const { api, ttl, zoneOf } = tools
  const send = senderOf(tools)
  /** Identifiers of what this run has added, for credentials that may not look. */
  const added = new Map<string, string[]>()
  const keyOf = ({ name, value }: TxtRecord) => `${name} ${value}`
  const find = async (zone: string, { name, value }: TxtRecord): Promise<readonly string[]> => {
    const query = new URLSearchParams({ fieldType: 'TXT', subDomain: withinZone(name, zone, '') })
    const ids = await send('GET', `/domain/zone/${zone}/record?${query}`)
    if (!Array.isArray(ids)) throw api.nonsense('no list of records')
    const found: string[] = []
    for (const id of ids.map(textOf)) {
      const record = fieldsOf(await send('GET', `/domain/zone/${zone}/record/${id}`, undefined, [404]))
      if (id !== undefined && record && unquoted(textOf(record['target']) ?? '') === value) found.push(id)
    }
    return found
  }
  const add = async (zone: string, record: TxtRecord): Promise<void> => {
    const subDomain = withinZone(record.name, zone, '')
    const json = { fieldType: 'TXT', subDomain, target: `"${record.value}"`, ttl }
    const id = fieldIn(api, fieldsOf(await send('POST', `/domain/zone/${zone}/record`, json)) ?? {}, 'id')
    added.set(keyOf(record), [...(added.get(keyOf(record)) ?? []), id])
  }
  return {
    async present(record) {
      const zone = await zoneOf(record.name)
      const found = await find(zone, record).catch(unlessBlind)
      if (!found || found.length === 0) await add(zone, record)
      // Also of what was there: who added it may have been killed before it was served.
      await send('POST', `/domain/zone/${zone}/refresh`)
    },
    async cleanUp(record) {
      const zone = await zoneOf(record.name)
      const ids = added.get(keyOf(record)) ?? (await find(zone, record))
      for (const id of ids) await send('DELETE', `/domain/zone/${zone}/record/${id}`, undefined, [404])
      added.delete(keyOf(record))
      if (ids.length > 0) await send('POST', `/domain/zone/${zone}/refresh`)
    },
  }
}

/** Credentials may have been made for lego, which asks for no right to look. */
function unlessBlind(e: unknown): undefined {
  if (e instanceof ApiRefusal && e.status === 403 && /not\W?(been)?\W?granted/i.test(e.text)) return
  throw e
}

type Send = (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  json?: unknown,
  expected?: readonly number[],
) => Promise<unknown>

function senderOf(tools: ProviderTools): Send {
  const { api } = tools
  const { base, tokens } = endpointOf(given(tools, 'OVH_ENDPOINT') ?? 'ovh-eu')
  const headersOf = authorization(tools, base, tokens)
  return async (method, path, json, expected = []) => {
    const url = base + path
    const text = json === undefined ? '' : JSON.stringify(json)
    const headers = { ...(text && { 'Content-Type': 'application/json' }), ...(await headersOf(method, url, text)) }
    const answer = await api.send({ method, url, headers, expected, ...(text && { text }) })
    return expected.includes(answer.status) || answer.text === '' ? undefined : answer.json()
  }
}

function endpointOf(name: string): { readonly base: string; readonly tokens?: string } {
  const known = Object.hasOwn(endpoints, name) ? endpoints[name] : undefined
  if (known) return known
  if (/^https?:\/\//.test(name)) return { base: name.replace(/\/+$/, '') }
  throw new NixacmeError('config', `the variable 'OVH_ENDPOINT' names no endpoint: '${name.slice(0, 40)}'`, {
    hints: [`write one of ${Object.keys(endpoints).join(', ')}`],
  })
}

type Authorization = (
  method: ApiRequest['method'],
  url: string,
  body: string,
) => Promise<Readonly<Record<string, string>>>

const ways = [
  ['OVH_APPLICATION_KEY', 'OVH_APPLICATION_SECRET', 'OVH_CONSUMER_KEY'],
  ['OVH_CLIENT_ID', 'OVH_CLIENT_SECRET'],
  ['OVH_ACCESS_TOKEN'],
] as const

function authorization(tools: ProviderTools, base: string, tokens: string | undefined): Authorization {
  const chosen = ways.filter((names) => given(tools, ...names) !== undefined)
  const [way] = chosen
  if (!way) throw missing(ways.map(([name]) => name))
  if (chosen.length > 1)
    throw new NixacmeError(
      'config',
      `the variables '${chosen.map(([name]) => name).join("' and '")}' cannot be used together`,
    )
  const [first = '', second = '', third = ''] = way.map((name) => wanted(tools, name))
  if (way === ways[0]) return signing(tools, base, { key: first, secret: second, consumer: third })
  if (way === ways[2]) return async () => ({ Authorization: `Bearer ${first}` })
  if (tokens === undefined)
    throw new NixacmeError('config', "this 'OVH_ENDPOINT' has no OAuth2: use 'OVH_APPLICATION_KEY'")
  let token: Promise<string> | undefined
  return async () => {
    token ??= lentToken(tools.api, tokens, first, second).catch((e) => {
      token = undefined
      throw e
    })
    return { Authorization: `Bearer ${await token}` }
  }
}

/** The token outlives a run: it is good for an hour. */
async function lentToken(api: Api, url: string, id: string, secret: string): Promise<string> {
  const form = { grant_type: 'client_credentials', client_id: id, client_secret: secret, scope: 'all' }
  const answer = await api.send({ method: 'POST', url, form, repeatable: true })
  return api.hide(fieldIn(api, fieldsOf(answer.json()) ?? {}, 'access_token'))
}

interface Application {
  readonly key: string
  readonly secret: string
  readonly consumer: string
}

/** The signature holds the time, that of OVH's own clock: a machine whose clock is wrong is served, too. */
function signing({ api, now }: ProviderTools, base: string, { key, secret, consumer }: Application): Authorization {
  let ahead: Promise<number> | undefined
  const difference = async () => {
    const theirs = Number((await api.send({ method: 'GET', url: `${base}/auth/time` })).json())
    if (!(theirs > 0)) throw api.nonsense('no time')
    return theirs - Math.floor(now().getTime() / 1000)
  }
  return async (method, url, body) => {
    ahead ??= difference().catch((e) => {
      ahead = undefined
      throw e
    })
    const time = Math.floor(now().getTime() / 1000) + (await ahead)
    const hash = createHash('sha1').update([secret, consumer, method, url, body, time].join('+')).digest('hex')
    return {
      'X-Ovh-Application': key,
      'X-Ovh-Consumer': consumer,
      'X-Ovh-Timestamp': `${time}`,
      'X-Ovh-Signature': `$1$${hash}`,
    }
  }
}
