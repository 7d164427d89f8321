// INWX (https://www.inwx.de/en/help/apidoc), its interface DomRobot by JSON-RPC: one URL, a session in a cookie, and refusals
// by code in answers with status 200.
import { NixacmeError } from '../../../errors.ts'
import { jittered, pause } from '../../pace.ts'
import type { Api } from '../api.ts'
import { fieldsOf, listOf, textOf } from '../json.ts'
import { type DnsProvider, given, type ProviderDefinition, type ProviderTools, wanted } from '../provider.ts'
import { Session, SessionOver } from '../session.ts'
import { allPages, overRecords, recordsIn, zoneFinder } from '../shapes.ts'
import { sharedSecret, totp, totpStep } from '../totp.ts'

/** Seconds: what INWX takes for the least. */
const leastTtl = 300
const pageSize = 100
/** Codes of EPP (RFC 5730 section 3), which DomRobot uses. */
const codes = { ok: 1000, notLoggedIn: 2200, exists: 2302, doesNotExist: 2303 }

export const inwx: ProviderDefinition = {
  name: 'inwx',
  title: 'INWX',
  documentation: 'https://www.inwx.de/en/help/apidoc',
  prefix: 'INWX',
  times: { ttl: leastTtl, propagationTimeout: 360, pollingInterval: 2 },
  variables: [
    { name: 'INWX_USERNAME', about: 'user', required: true },
    { name: 'INWX_PASSWORD', about: 'password', required: true },
    { name: 'INWX_SHARED_SECRET', about: 'secret of the two-factor authentication, in base32' },
    { name: 'INWX_SANDBOX', about: 'true for the test system OT&E' },
  ],
  notes: [
    'With two-factor authentication INWX takes each one-time password once, so a login may wait up to 30 seconds for the next one; a sub-account for the interface only, without it, does not wait.',
  ],
  verified: 'against a fake of its documented interface; not at INWX itself',
  open: providerOf,
}

interface Result {
  readonly code: number
  readonly data: Readonly<Record<string, unknown>>
  /** What it says, for a sentence. */
  readonly words: string
  readonly cookie: string | undefined
}

interface Call {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly cookie?: string
  /** It only reads. */
  readonly repeatable?: boolean
}

const caller =
  (api: Api, url: string) =>
  async ({ method, params, cookie, repeatable = false }: Call): Promise<Result> => {
    const headers = cookie === undefined ? {} : { Cookie: cookie }
    const answer = await api.send({ method: 'POST', url, headers, json: { method, params }, repeatable })
    const fields = fieldsOf(answer.json())
    const code = fields?.['code']
    if (typeof code !== 'number') throw api.nonsense('an answer without a code')
    const words = [fields?.['msg'], fields?.['reason']].map(textOf).filter(Boolean).join(': ')
    const [, session] = /(?:^|, )(domrobot=[^;,\s]+)/.exec(answer.headers['set-cookie'] ?? '') ?? []
    return { code, data: fieldsOf(fields?.['resData']) ?? {}, words: `${words} (code ${code})`, cookie: session }
  }

function providerOf(tools: ProviderTools): DnsProvider {
  const { api, ttl } = tools
  const isTest = /^(1|t|true)$/i.test(given(tools, 'INWX_SANDBOX') ?? '')
  const call = caller(api, `https://api.${isTest ? 'ote.' : ''}domrobot.com/jsonrpc/`)
  const session = new Session(loginOf(tools, call))

  /** Throws `refused` (76) for a code that is not expected. */
  const ask = (method: string, params: Call['params'], more: { expected?: number[]; repeatable?: boolean } = {}) =>
    session.use(async (cookie) => {
      const result = await call({ method, params, cookie, repeatable: more.repeatable ?? false })
      if (result.code === codes.ok || more.expected?.includes(result.code)) return result
      const refusal = api.refusal(`'${method}': ${result.words}`)
      throw result.code === codes.notLoggedIn ? new SessionOver(refusal) : refusal
    })
  return overRecords({
    zoneOf: zoneFinder(api, async () => {
      let seen = 0
      const found = await allPages(api, async (page) => {
        const { data } = await ask('nameserver.list', { page, pagelimit: pageSize }, { repeatable: true })
        const [items, count] = [listOf(data['domains'] ?? []), Number(data['count'])]
        if (!items || Number.isNaN(count)) throw api.nonsense('a list of domains without domains')
        seen += items.length
        return { items, more: items.length > 0 && seen < count }
      })
      // A slave is a copy that cannot be written.
      const masters = found.filter(({ type }) => textOf(type)?.toUpperCase() !== 'SLAVE')
      return masters.map(({ domain }) => ({ name: (textOf(domain) ?? '').toLowerCase() }))
    }),
    async find({ name: domain }, name) {
      const more = { repeatable: true, expected: [codes.doesNotExist] }
      const { data } = await ask('nameserver.info', { domain, name, type: 'TXT' }, more)
      const records = listOf(data['record'] ?? [])
      if (!records) throw api.nonsense('a list of records without records')
      const ours = records.filter((record) => record['type'] === 'TXT' && record['name'] === name)
      return recordsIn(api, ours, 'content')
    },
    async add({ name: domain }, { name, value }) {
      const params = { domain, type: 'TXT', name, content: value, ttl: Math.max(ttl, leastTtl) }
      await ask('nameserver.createRecord', params, { expected: [codes.exists] })
    },
    async remove(_, id) {
      await ask('nameserver.deleteRecord', { id }, { expected: [codes.doesNotExist] })
    },
  })
}

/** Logs in and gives the cookie. Throws `config` (78) at once for a shared secret that is none. */
function loginOf(tools: ProviderTools, call: ReturnType<typeof caller>): () => Promise<string> {
  const { api, now, signal, log } = tools
  const [user, pass] = [wanted(tools, 'INWX_USERNAME'), wanted(tools, 'INWX_PASSWORD')]
  const text = given(tools, 'INWX_SHARED_SECRET')
  const secret = text === undefined ? undefined : sharedSecret(text)
  if (text !== undefined && secret === undefined)
    throw new NixacmeError('config', "the variable 'INWX_SHARED_SECRET' is no shared secret: expected base32", {
      hints: ['it is the text that INWX shows beside the QR code when two-factor authentication is switched on'],
    })
  const unlock = (cookie: string, key: Buffer, step: number) =>
    call({ method: 'account.unlock', params: { tan: api.hide(totp(key, step)) }, cookie })

  return async () => {
    const { code, data, words, cookie } = await call({ method: 'account.login', params: { user, pass, lang: 'en' } })
    if (code !== codes.ok) throw api.refusal(`the login: ${words}`, ["check 'INWX_USERNAME' and 'INWX_PASSWORD'"])
    if (cookie === undefined) throw api.nonsense('a login without a session')
    api.hide(cookie.slice(cookie.indexOf('=') + 1))
    const factor = textOf(data['tfa']) ?? '0'
    if (factor === '0' || factor === '') return cookie
    if (secret === undefined)
      throw api.refusal('the login: it wants a one-time password', ["set 'INWX_SHARED_SECRET', or use a sub-account"])
    const seconds = now().getTime() / 1000
    const step = Math.floor(seconds / totpStep)
    if ((await unlock(cookie, secret, step)).code === codes.ok) return cookie
    // The password of these 30 seconds was used by another process: the next one was not.
    log.info('waiting for the next one-time password of INWX')
    await pause((step + 1) * totpStep - seconds + jittered(0.5), signal)
    const second = await unlock(cookie, secret, step + 1)
    if (second.code === codes.ok) return cookie
    throw api.refusal(`the one-time password: ${second.words}`, ["check 'INWX_SHARED_SECRET', and the clock"])
  }
}
