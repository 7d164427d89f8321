// Who we are at Azure: an application's secret, certificate or federated token, or the identity of the machine
// (https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow). Methods have lego's names.
import { createHash, randomUUID, X509Certificate } from 'node:crypto'
import { NixacmeError } from '../../errors.ts'
import { claimsLast, namedFile, rsaKey, signedClaims, tokenIn } from './oauth.ts'
import { given, type ProviderTools, type Variable, wanted } from './provider.ts'

export interface Cloud {
  readonly login: string
  /** The Resource Manager. */
  readonly management: string
}

const clouds: Readonly<Record<string, Cloud>> = {
  china: { login: 'https://login.chinacloudapi.cn', management: 'https://management.chinacloudapi.cn' },
  public: { login: 'https://login.microsoftonline.com', management: 'https://management.azure.com' },
  usgovernment: { login: 'https://login.microsoftonline.us', management: 'https://management.usgovcloudapi.net' },
}

export const azureVariables: readonly Variable[] = [
  { name: 'AZURE_TENANT_ID', about: 'tenant; with all methods but msi' },
  {
    name: 'AZURE_CLIENT_ID',
    about: 'client (application); with all methods but msi, there for an identity that was assigned',
  },
  { name: 'AZURE_CLIENT_SECRET', about: 'secret of the client; method env' },
  { name: 'AZURE_CLIENT_CERTIFICATE_PATH', about: 'path of a PEM file with its certificate and RSA key; method env' },
  { name: 'AZURE_FEDERATED_TOKEN_FILE', about: 'path of a file with a federated token; method wli' },
  { name: 'AZURE_OIDC_TOKEN', about: 'federated token; method oidc' },
  { name: 'AZURE_OIDC_TOKEN_FILE_PATH', about: 'path of a file with it; method oidc' },
  {
    name: 'AZURE_OIDC_REQUEST_URL',
    about: 'URL that gives it; method oidc',
    aliases: ['ACTIONS_ID_TOKEN_REQUEST_URL'],
  },
  {
    name: 'AZURE_OIDC_REQUEST_TOKEN',
    about: 'token for that URL; method oidc',
    aliases: ['ACTIONS_ID_TOKEN_REQUEST_TOKEN'],
  },
  {
    name: 'AZURE_AUTH_METHOD',
    about: 'env, wli, oidc or msi; by default the first of env, wli and msi whose variables are set',
  },
  { name: 'AZURE_AUTH_MSI_TIMEOUT', about: 'seconds to wait for the metadata service of the machine; by default 2' },
  {
    name: 'AZURE_POD_IDENTITY_AUTHORITY_HOST',
    about: 'URL of the metadata service; by default that of virtual machines',
  },
  {
    name: 'IDENTITY_ENDPOINT',
    about: 'identity service of Azure Arc or App Service, which nixacme cannot use: told, not ignored',
  },
  { name: 'AZURE_ENVIRONMENT', about: 'public (by default), usgovernment or china' },
]

/** Throws `config` (78) for an environment that there is none of. */
export function cloudOf(tools: ProviderTools): Cloud {
  const name = given(tools, 'AZURE_ENVIRONMENT') ?? 'public'
  const cloud = clouds[name]
  if (cloud) return cloud
  throw new NixacmeError('config', `'AZURE_ENVIRONMENT' is '${name.slice(0, 40)}'`, {
    hints: [`what there is: ${Object.keys(clouds).join(', ')}`],
  })
}

type Login = () => Promise<string>

/** Reads the variables and gives what asks for a new token. Throws `config` (78) for what is missing or cannot be used. */
export function azureLogin(tools: ProviderTools, cloud: Cloud): Login {
  const method = given(tools, 'AZURE_AUTH_METHOD')?.toLowerCase() ?? methodBySet(tools)
  if (method === 'env') return byClient(tools, cloud)
  if (method === 'wli') return byAssertion(tools, cloud, federated(tools, 'AZURE_FEDERATED_TOKEN_FILE'))
  if (method === 'oidc') return byAssertion(tools, cloud, oidc(tools))
  if (method === 'msi') return byMachine(tools, cloud)
  const reason = { cli: 'which asks the Azure CLI', pipeline: 'which is for Azure Pipelines' }[method]
  throw new NixacmeError(
    'config',
    `nixacme cannot use the method '${method}' of 'AZURE_AUTH_METHOD'${reason ? `, ${reason}` : ''}`,
    {
      hints: ['what it can use: env, wli, oidc, msi; with \'engine = "lego"\' lego does the rest'],
    },
  )
}

function methodBySet(tools: ProviderTools): string {
  const isClient = given(tools, 'AZURE_TENANT_ID') !== undefined && given(tools, 'AZURE_CLIENT_ID') !== undefined
  if (isClient && given(tools, 'AZURE_CLIENT_SECRET', 'AZURE_CLIENT_CERTIFICATE_PATH') !== undefined) return 'env'
  return isClient && given(tools, 'AZURE_FEDERATED_TOKEN_FILE') !== undefined ? 'wli' : 'msi'
}

/** Asks for a token for the Resource Manager; `proof` is the secret or the assertion, as fields of the form. */
function byForm(tools: ProviderTools, cloud: Cloud, proof: () => Promise<Record<string, string>>): Login {
  const { api } = tools
  const url = `${cloud.login}/${encodeURIComponent(wanted(tools, 'AZURE_TENANT_ID'))}/oauth2/v2.0/token`
  const common = {
    grant_type: 'client_credentials',
    client_id: wanted(tools, 'AZURE_CLIENT_ID'),
    scope: `${cloud.management}/.default`,
  }
  return async () => {
    const form = { ...common, ...(await proof()) }
    return tokenIn(api, await api.send({ method: 'POST', url, form, repeatable: true }))
  }
}

function byClient(tools: ProviderTools, cloud: Cloud): Login {
  const secret = given(tools, 'AZURE_CLIENT_SECRET')
  if (secret !== undefined) return byForm(tools, cloud, async () => ({ client_secret: secret }))
  return byAssertion(tools, cloud, certificate(tools, cloud))
}

const byAssertion = (tools: ProviderTools, cloud: Cloud, assertion: () => Promise<string>): Login =>
  byForm(tools, cloud, async () => ({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: tools.api.hide(await assertion()),
  }))

/** https://learn.microsoft.com/en-us/entra/identity-platform/certificate-credentials */
function certificate(tools: ProviderTools, { login }: Cloud): () => Promise<string> {
  const variable = 'AZURE_CLIENT_CERTIFICATE_PATH'
  const path = wanted(tools, variable, 'AZURE_CLIENT_SECRET')
  const pem = namedFile(variable, path)
  const key = rsaKey(pem, `the file '${path}'`)
  let der: Buffer
  try {
    der = new X509Certificate(pem).raw
  } catch {
    throw new NixacmeError('config', `the file '${path}' holds no certificate in PEM beside its key`)
  }
  const client = wanted(tools, 'AZURE_CLIENT_ID')
  const aud = `${login}/${wanted(tools, 'AZURE_TENANT_ID')}/oauth2/v2.0/token`
  const header = { 'x5t#S256': createHash('sha256').update(der).digest('base64url') }
  return async () => {
    const nbf = Math.floor(tools.now().getTime() / 1000)
    const claims = { aud, iss: client, sub: client, jti: randomUUID(), nbf, exp: nbf + claimsLast }
    return signedClaims('PS256', header, claims, key)
  }
}

/** The file is read each time: whoever gives the token makes it anew. */
function federated(tools: ProviderTools, variable: string): () => Promise<string> {
  const path = wanted(tools, variable)
  return async () => namedFile(variable, path)
}

function oidc(tools: ProviderTools): () => Promise<string> {
  const { api } = tools
  if (given(tools, 'AZURE_OIDC_TOKEN_FILE_PATH') !== undefined) return federated(tools, 'AZURE_OIDC_TOKEN_FILE_PATH')
  const url = given(tools, 'AZURE_OIDC_REQUEST_URL', 'ACTIONS_ID_TOKEN_REQUEST_URL')
  if (url === undefined || given(tools, 'AZURE_OIDC_TOKEN') !== undefined) {
    const token = wanted(tools, 'AZURE_OIDC_TOKEN', 'AZURE_OIDC_TOKEN_FILE_PATH', 'AZURE_OIDC_REQUEST_URL')
    return async () => token.trim()
  }
  const bearer = wanted(tools, 'AZURE_OIDC_REQUEST_TOKEN', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN')
  if (!URL.canParse(url)) throw new NixacmeError('config', "'AZURE_OIDC_REQUEST_URL' is no URL")
  const asked = new URL(url)
  if (!asked.searchParams.has('audience')) asked.searchParams.set('audience', 'api://AzureADTokenExchange')
  const headers = { Authorization: `Bearer ${bearer}` }
  return async () => tokenIn(api, await api.send({ method: 'GET', url: asked.href, headers }), 'value')
}

/** https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
function byMachine(tools: ProviderTools, { management }: Cloud): Login {
  const { api } = tools
  if (given(tools, 'IDENTITY_ENDPOINT') !== undefined)
    throw new NixacmeError(
      'config',
      "nixacme cannot use the identity service that 'IDENTITY_ENDPOINT' names (Azure Arc, App Service)",
      {
        hints: ["use a client's secret or certificate; with 'engine = \"lego\"' lego asks it"],
      },
    )
  const text = given(tools, 'AZURE_AUTH_MSI_TIMEOUT') ?? '2'
  // Lego takes Go's durations, too: of those the plain seconds.
  const seconds = Number(/^(\d{1,3})s?$/.exec(text)?.[1] ?? Number.NaN)
  if (!(seconds > 0))
    throw new NixacmeError('config', `'AZURE_AUTH_MSI_TIMEOUT' is no number of seconds: '${text.slice(0, 40)}'`)
  const client = given(tools, 'AZURE_CLIENT_ID')
  const query = new URLSearchParams({
    'api-version': '2018-02-01',
    resource: `${management}/`,
    ...(client !== undefined && { client_id: client }),
  })
  const host = (given(tools, 'AZURE_POD_IDENTITY_AUTHORITY_HOST') ?? 'http://169.254.169.254').replace(/\/+$/, '')
  const url = `${host}/metadata/identity/oauth2/token?${query}`
  return async () => {
    try {
      const headers = { Metadata: 'true' }
      return tokenIn(api, await api.send({ method: 'GET', url, headers, mayBePlain: true, seconds }))
    } catch (e) {
      if (!(e instanceof NixacmeError)) throw e
      const message = `the machine's metadata service gives no token for Azure: ${e.message}`
      const hints = ["without a managed identity set 'AZURE_TENANT_ID', 'AZURE_CLIENT_ID' and 'AZURE_CLIENT_SECRET'"]
      throw new NixacmeError(e.kind, message, { cause: e, hints })
    }
  }
}
