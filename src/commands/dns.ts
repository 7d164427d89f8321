// `nixacme dns …`: which DNS providers there are, what each needs, and whether one works for a certificate, without any CA.

import type { ProviderDefinition } from '../acme/dns/provider.ts'
import { NixacmeError } from '../errors.ts'
import { asAcme } from './as-acme.ts'
import { type Context, findJobs, sayFaults } from './context.ts'

/** Prints the providers, a line each. */
export async function dnsList({ host }: Context, json: boolean): Promise<number> {
  const { bridges, providers } = await import('../acme/dns/providers.ts')
  if (json) {
    host.stdout.write(`${JSON.stringify(providers.map(asJson), null, 2)}\n`)
    return 0
  }
  const rows = [
    ...providers.map(({ name, title }) => [name, title] as const),
    ...bridges.map(({ form, about }) => [form, about] as const),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  host.stdout.write(rows.map(([name, words]) => `${name.padEnd(width)}  ${words}\n`).join(''))
  return 0
}

const asJson = ({ name, title, documentation, prefix, times, variables, verified }: ProviderDefinition) => ({
  name,
  title,
  documentation,
  prefix,
  times,
  variables,
  verified,
})

/** Prints what one needs. Throws `usage` (64) for a provider that there is not. */
export async function dnsShow(name: string, { host }: Context, json: boolean): Promise<number> {
  const { providerNamed } = await import('../acme/dns/providers.ts')
  const found = providerNamed(name)
  if (!found)
    throw new NixacmeError('usage', `there is no DNS provider '${name.slice(0, 100)}'`, {
      hints: ['\'nixacme dns list\' names them; others by lego: engine = "lego"'],
    })
  host.stdout.write(json ? `${JSON.stringify(asJson(found), null, 2)}\n` : described(found))
  return 0
}

function described(definition: ProviderDefinition): string {
  const { name, title, documentation, prefix, newerPrefix, times, variables, verified } = definition
  const { ttl, propagationTimeout, pollingInterval } = times
  const rows = [
    ...variables.map(({ name: variable, about, required, aliases = [] }) => {
      const also = aliases.length === 0 ? '' : `; also ${aliases.join(', ')}`
      return [variable, `${about}${required ? ' (required)' : ''}${also}`]
    }),
    [`${prefix}_TTL`, `seconds that resolvers may keep the record (${ttl})`],
    [`${prefix}_PROPAGATION_TIMEOUT`, `seconds that the name servers may take to show it (${propagationTimeout})`],
    [`${prefix}_POLLING_INTERVAL`, `seconds between two looks (${pollingInterval})`],
  ] as const
  const width = Math.max(...rows.map(([variable]) => variable.length))
  const lines = rows.map(([variable, about]) => `  ${variable.padEnd(width)}  ${about}\n`).join('')
  const newer = newerPrefix === undefined ? '' : `, and with ${newerPrefix} in place of ${prefix}`
  return `${title}: dnsProvider = "${name}"\n\nEach may be given as <name>_FILE, too${newer}:\n${lines}\n${documentation}\nverified ${verified}\n`
}

/** Puts, checks and removes a test record for each name that is proven by DNS, and looks at the records that stay. */
export async function dnsTest(cert: string, context: Context): Promise<number> {
  const found = await findJobs(context, [cert])
  const status = sayFaults(found, context)
  const [job] = found.jobs
  if (!job) return status
  if (!job.challenges.some(({ challenge: { kind } }) => kind === 'dns' || kind === 'dns-persist'))
    throw new NixacmeError('usage', `no name of '${cert}' is proven by DNS`, {
      hints: ["set 'dnsProvider' or 'dnsPersist' for it"],
    })
  const isForAcme = context.host.identity.uid === 0 && !job.useRoot
  return isForAcme ? asAcme([job], { dnsTest: true }, context) : (await import('./work-dns.ts')).testDns(job, context)
}
