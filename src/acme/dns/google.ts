// Who we are at Google Cloud: a service account's key, the application default credentials, or the machine itself
// (https://cloud.google.com/docs/authentication/application-default-credentials, https://google.aip.dev/auth/4111).
import { NixacmeError } from '../../errors.ts'
import type { ApiAnswer } from './api.ts'
import { fieldsOf, textOf } from './json.ts'
import { claimsLast, namedFile, rsaKey, signedClaims, tokenIn } from './oauth.ts'
import { given, type ProviderTools, type Variable } from './provider.ts'

const dnsScope = 'https://www.googleapis.com/auth/ndev.clouddns.readwrite'
const cloudScope = 'https://www.googleapis.com/auth/cloud-platform'
const tokenUrl = 'https://oauth2.googleapis.com/token'
const impersonateUrl = 'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts'
/** Seconds for the metadata server, which is in the same host. */
const metadataSeconds = 5

export const googleVariables: readonly Variable[] = [
  {
    name: 'GCE_SERVICE_ACCOUNT',
    about: "key of a service account: JSON; 'GCE_SERVICE_ACCOUNT_FILE' names a file with it",
  },
  { name: 'GOOGLE_APPLICATION_CREDENTIALS', about: 'path of a file with application default credentials' },
  { name: 'GCE_IMPERSONATE_SERVICE_ACCOUNT', about: 'e-mail of a service account to act as' },
  { name: 'GCE_PROJECT', about: 'project; by default that of the credentials, or of the machine' },
  { name: 'GCE_METADATA_HOST', about: 'host, and port, of the metadata server' },
]

export interface GoogleLogin {
  project(): Promise<string>
  /** A new access token for Cloud DNS. */
  token(): Promise<string>
}

interface Source {
  readonly project: () => Promise<string>
  readonly token: (scope: string) => Promise<string>
}

/** Reads the variables. Throws `config` (78) for credentials that make no sense or that cannot be used. */
export function googleLogin(tools: ProviderTools): GoogleLogin {
  const { api } = tools
  const source = sourceOf(tools)
  const project = given(tools, 'GCE_PROJECT')
  const other = given(tools, 'GCE_IMPERSONATE_SERVICE_ACCOUNT')
  return {
    project: async () => project ?? source.project(),
    async token() {
      if (other === undefined) return source.token(dnsScope)
      const answer = await api.send({
        method: 'POST',
        url: `${impersonateUrl}/${encodeURIComponent(other)}:generateAccessToken`,
        headers: { Authorization: `Bearer ${await source.token(cloudScope)}` },
        json: { scope: [dnsScope], lifetime: '3600s' },
        repeatable: true,
      })
      return tokenIn(api, answer, 'accessToken')
    },
  }
}

function sourceOf(tools: ProviderTools): Source {
  const account = given(tools, 'GCE_SERVICE_ACCOUNT')
  if (account !== undefined) return serviceAccount(tools, account, "the variable 'GCE_SERVICE_ACCOUNT'")
  const path = given(tools, 'GOOGLE_APPLICATION_CREDENTIALS')
  if (path === undefined) return machine(tools)
  const text = namedFile('GOOGLE_APPLICATION_CREDENTIALS', path)
  const where = `the file '${path}'`
  const type = textOf(parsed(text, where)['type'])
  if (type === 'service_account') return serviceAccount(tools, text, where)
  if (type === 'authorized_user') return user(tools, text, where)
  throw new NixacmeError('config', `${where} has credentials of type '${type}', which nixacme cannot use`, {
    hints: ["what it can use is 'service_account' and 'authorized_user'"],
  })
}

function parsed(text: string, where: string): Readonly<Record<string, unknown>> {
  let fields: Readonly<Record<string, unknown>> | undefined
  try {
    fields = fieldsOf(JSON.parse(text))
  } catch {
    // The parser's words would quote a key.
  }
  if (fields) return fields
  throw new NixacmeError('config', `${where} holds no JSON object`, {
    hints: ['it is the key file of a service account, as Google gives it'],
  })
}

/** The texts of these fields, which stay out of messages where they are secrets. Throws `config` (78). */
function fieldsIn(text: string, where: string, names: readonly string[]): string[] {
  const fields = parsed(text, where)
  return names.map((name) => {
    const value = textOf(fields[name])
    if (value !== undefined && value !== '') return value
    throw new NixacmeError('config', `${where} has no '${name}'`)
  })
}

/** https://developers.google.com/identity/protocols/oauth2/service-account */
function serviceAccount({ api, now }: ProviderTools, text: string, where: string): Source {
  const [iss = '', pem = ''] = fieldsIn(text, where, ['client_email', 'private_key'])
  const { private_key_id: kid, token_uri, project_id } = parsed(text, where)
  const key = rsaKey(pem, where)
  api.hide(pem)
  const url = textOf(token_uri) ?? tokenUrl
  return {
    async project() {
      const project = textOf(project_id)
      if (project !== undefined && project !== '') return project
      throw new NixacmeError('config', `${where} names no project`, { hints: ["set 'GCE_PROJECT'"] })
    },
    async token(scope) {
      const iat = Math.floor(now().getTime() / 1000)
      const claims = { iss, scope, aud: url, iat, exp: iat + claimsLast }
      const assertion = api.hide(signedClaims('RS256', { kid: textOf(kid) }, claims, key))
      const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
      return tokenIn(api, await api.send({ method: 'POST', url, form, repeatable: true }))
    },
  }
}

/** What 'gcloud auth application-default login' leaves: its scopes were chosen then. */
function user(tools: ProviderTools, text: string, where: string): Source {
  const { api } = tools
  const names = ['client_id', 'client_secret', 'refresh_token']
  const [client_id = '', client_secret = '', refresh_token = ''] = fieldsIn(text, where, names)
  for (const secret of [client_secret, refresh_token]) api.hide(secret)
  const form = { grant_type: 'refresh_token', client_id, client_secret, refresh_token }
  return {
    async project() {
      throw new NixacmeError('config', `${where} names no project`, { hints: ["set 'GCE_PROJECT'"] })
    },
    token: async () => tokenIn(api, await api.send({ method: 'POST', url: tokenUrl, form, repeatable: true })),
  }
}

/** https://cloud.google.com/compute/docs/metadata/querying-metadata */
function machine(tools: ProviderTools): Source {
  const { api } = tools
  const host = given(tools, 'GCE_METADATA_HOST') ?? '169.254.169.254'
  const ask = async (path: string): Promise<ApiAnswer> => {
    try {
      const url = `http://${host}/computeMetadata/v1/${path}`
      const headers = { 'Metadata-Flavor': 'Google' }
      const answer = await api.send({ method: 'GET', url, headers, mayBePlain: true, seconds: metadataSeconds })
      if (answer.headers['metadata-flavor'] === 'Google') return answer
      throw api.nonsense(`'${host}' is no metadata server`)
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      const message = `no credentials for Google Cloud are set, and the machine's metadata server gives none: ${e.message}`
      throw new NixacmeError(e.kind, message, { cause: e, hints: ["set 'GCE_SERVICE_ACCOUNT_FILE'"] })
    }
  }
  return {
    project: async () => (await ask('project/project-id')).text.trim(),
    token: async (scope) =>
      tokenIn(api, await ask(`instance/service-accounts/default/token?scopes=${encodeURIComponent(scope)}`)),
  }
}
