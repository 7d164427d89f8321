// Accounts at acme-dns servers, by the name that each is for: in lego's file, or behind lego's web interface for them
// (https://github.com/go-acme/lego/blob/master/providers/dns/acmedns/internal/readme.md).
import { accessSync, constants } from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { NixacmeError, readError, writeError } from '../../errors.ts'
import { readTextIfThere, writeAtomically } from '../../fs.ts'
import { endpointOf } from './endpoint.ts'
import { fieldsOf, textOf } from './json.ts'
import { given, type ProviderTools } from './provider.ts'

export interface Account {
  /** Where the record stands: in lower case, without a dot at the end. */
  readonly fulldomain: string
  readonly subdomain: string
  readonly username: string
  readonly password: string
  readonly server_url: string
}

export interface Accounts {
  find(domain: string): Promise<Account | undefined>
  /** The one whose record stands at this name. */
  holding(fulldomain: string): Promise<Account | undefined>
  /** Throws where `put` could not keep anything: before an account is made that nobody would find again. */
  assertWritable(): void
  put(domain: string, account: Account): Promise<{ readonly hasMadeCname: boolean }>
}

/** Undefined for what is no account. Its password is kept out of messages from here on. */
export function accountOf(value: unknown, { api }: Pick<ProviderTools, 'api'>): Account | undefined {
  const fields = fieldsOf(value)
  const [fulldomain, subdomain, username, password] = ['fulldomain', 'subdomain', 'username', 'password'].map((name) =>
    textOf(fields?.[name]),
  )
  if (!fulldomain || !subdomain || !username || !password) return undefined
  return {
    fulldomain: fulldomain.toLowerCase().replace(/\.$/, ''),
    subdomain,
    username,
    password: api.hide(password),
    server_url: textOf(fields?.['server_url']) ?? '',
  }
}

/** Opens the storage that the variables name. Throws `config` (78) for none, or both. */
export function accountsOf(tools: ProviderTools): Accounts {
  const path = given(tools, 'ACME_DNS_STORAGE_PATH')
  const url = given(tools, 'ACME_DNS_STORAGE_BASE_URL')
  if ((path === undefined) === (url === undefined))
    throw new NixacmeError(
      'config',
      "exactly one of the variables 'ACME_DNS_STORAGE_PATH' and 'ACME_DNS_STORAGE_BASE_URL' must be set",
    )
  if (path === undefined) return behindWeb(tools)
  if (isAbsolute(path)) return inFile(path, tools)
  throw new NixacmeError('config', `the variable 'ACME_DNS_STORAGE_PATH' is '${path}': expected an absolute path`)
}

function inFile(path: string, tools: ProviderTools): Accounts {
  const all = (): Readonly<Record<string, unknown>> => {
    const text = readTextIfThere(path)
    if (text === undefined || text.trim() === '') return {}
    try {
      const fields = fieldsOf(JSON.parse(text))
      if (fields) return fields
    } catch {
      // Its words would show what the file holds.
    }
    throw readError(path, new Error('it is not what lego writes: a JSON object with an account for each name'))
  }
  const accountIn = (value: unknown): Account => {
    const account = accountOf(value, tools)
    if (account) return account
    throw readError(path, new Error('it has an account without name or password'))
  }
  return {
    async find(domain) {
      const found = all()[domain]
      return found === undefined ? undefined : accountIn(found)
    },
    async holding(fulldomain) {
      return Object.values(all())
        .map(accountIn)
        .find((account) => account.fulldomain === fulldomain)
    },
    assertWritable() {
      try {
        accessSync(dirname(path), constants.W_OK | constants.X_OK)
      } catch (cause) {
        throw writeError(path, cause, [
          "in units only the certificate's own folders can be written: register each name once, by hand and as root, with 'nixacme renew'",
        ])
      }
    },
    async put(domain, account) {
      try {
        writeAtomically(path, `${JSON.stringify({ ...all(), [domain]: account })}\n`, { mode: 0o600 })
      } catch (cause) {
        throw writeError(path, cause)
      }
      return { hasMadeCname: false }
    },
  }
}

function behindWeb(tools: ProviderTools): Accounts {
  const { api } = tools
  const { url, headers } = endpointOf(tools, 'ACME_DNS_STORAGE_BASE_URL')
  const send = (method: 'GET' | 'POST', domain: string, json?: unknown) =>
    api.send({
      method,
      url: `${url}${domain && `/${domain}`}`,
      headers,
      mayBePlain: true,
      expected: [404],
      ...(json !== undefined && { json }),
    })
  const checked = (value: unknown): Account => {
    const account = accountOf(value, tools)
    if (account) return account
    throw api.nonsense('expected an account')
  }
  return {
    async find(domain) {
      const answer = await send('GET', domain)
      return answer.status === 404 ? undefined : checked(answer.json())
    },
    async holding(fulldomain) {
      const answer = await send('GET', '')
      if (answer.status === 404) return undefined
      return Object.values(fieldsOf(answer.json()) ?? {})
        .map(checked)
        .find((account) => account.fulldomain === fulldomain)
    },
    assertWritable() {},
    async put(domain, account) {
      const { status } = await send('POST', domain, account)
      if (status === 404) throw api.refusal(`to keep the account of '${domain}'`)
      return { hasMadeCname: status === 201 }
    },
  }
}
