// acme-dns: a DNS server for nothing but these records, to which CNAMEs lead (https://github.com/joohoi/acme-dns#api). Each
// name has an account of its own there, kept where lego keeps it. Records are not removed: the two newest stay.
import { NixacmeError } from '../../../errors.ts'
import { type Account, type Accounts, accountOf, accountsOf } from '../acme-dns-accounts.ts'
import { endpointOf } from '../endpoint.ts'
import { fieldsOf } from '../json.ts'
import { given, type ProviderDefinition, type ProviderTools, type TxtRecord } from '../provider.ts'

export const acmeDns: ProviderDefinition = {
  name: 'acme-dns',
  title: 'acme-dns',
  documentation: 'https://github.com/joohoi/acme-dns#api',
  prefix: 'ACME_DNS',
  times: { ttl: 1, propagationTimeout: 60, pollingInterval: 2 },
  variables: [
    { name: 'ACME_DNS_API_BASE', about: 'URL of the server', required: true, isPublic: true },
    { name: 'ACME_DNS_STORAGE_PATH', about: 'file with the accounts, as lego writes it', isPublic: true },
    { name: 'ACME_DNS_STORAGE_BASE_URL', about: 'web server with the accounts, in place of the file', isPublic: true },
    {
      name: 'ACME_DNS_ALLOWLIST',
      about: 'networks (CIDR, commas between) that may use a new account; all unless told',
      isPublic: true,
    },
  ],
  verified: 'against a fake of its documented interface; not with acme-dns itself',
  oneByOne: true,
  open(tools) {
    const accounts = accountsOf(tools)
    const server = serverOf(tools)
    return {
      async present(record) {
        const { domain } = record.challenge
        const known = (await accounts.find(domain)) ?? (await accounts.holding(record.name))
        if (!known) return register(record, domain, { accounts, server })
        if (known.fulldomain !== record.name) throw lacksCname(record, domain, known)
        await server.update(known, record.value)
      },
      async cleanUp() {},
    }
  },
}

type Server = ReturnType<typeof serverOf>

function serverOf(tools: ProviderTools) {
  const { api } = tools
  const { url, headers } = endpointOf(tools, 'ACME_DNS_API_BASE')
  const networks = (given(tools, 'ACME_DNS_ALLOWLIST') ?? '').split(',').map((network) => network.trim())
  const allowfrom = networks.filter((network) => network !== '')
  return {
    async register(): Promise<Account> {
      const json = allowfrom.length > 0 ? { allowfrom } : {}
      const answer = await api.send({ method: 'POST', url: `${url}/register`, headers, json, mayBePlain: true })
      const account = accountOf({ ...fieldsOf(answer.json()), server_url: url }, tools)
      if (account) return account
      throw api.nonsense('expected a new account')
    },
    async update({ username, password, subdomain }: Account, txt: string): Promise<void> {
      const json = { subdomain, txt }
      const credentials = { ...headers, 'X-Api-User': username, 'X-Api-Key': password }
      const request = { method: 'POST', url: `${url}/update`, headers: credentials, json, mayBePlain: true } as const
      const answer = await api.send(request)
      if (fieldsOf(answer.json())?.['txt'] !== txt) throw api.nonsense('expected the value that was sent')
    },
  }
}

/** The first time for a name: an account is made and kept, and the admin told of the CNAME, unless the storage made it. */
async function register(
  record: TxtRecord,
  domain: string,
  { accounts, server }: { accounts: Accounts; server: Server },
): Promise<void> {
  accounts.assertWritable()
  const account = await server.register()
  const { hasMadeCname } = await accounts.put(domain, account)
  if (!hasMadeCname) throw lacksCname(record, domain, account)
  await server.update(account, record.value)
}

function lacksCname({ sought, name }: TxtRecord, domain: string, { fulldomain }: Account): NixacmeError {
  const place = sought ?? name
  return new NixacmeError('config', `'${place}' must be a CNAME of '${fulldomain}', and is none`, {
    hints: [
      `add this record to the zone of '${domain}': ${place}. IN CNAME ${fulldomain}.`,
      'this is needed once; the next run goes on when the record can be seen',
    ],
  })
}
