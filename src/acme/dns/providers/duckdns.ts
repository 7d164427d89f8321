// Duck DNS: one TXT value for a domain and all names below it, and no way to read it (https://www.duckdns.org/spec.jsp).
import { type ProviderDefinition, wanted } from '../provider.ts'

const base = 'https://www.duckdns.org/update'

export const duckdns: ProviderDefinition = {
  name: 'duckdns',
  title: 'Duck DNS',
  documentation: 'https://www.duckdns.org/spec.jsp',
  prefix: 'DUCKDNS',
  // It keeps a TTL of its own.
  times: { ttl: 60, propagationTimeout: 60, pollingInterval: 2 },
  variables: [{ name: 'DUCKDNS_TOKEN', about: 'token of the account', required: true }],
  notes: [
    'Duck DNS holds one TXT value for a domain with all names below it, and puts a new one in place of the old.',
    'So a certificate may have one name of a domain, or its wildcard, but not both.',
    'The TTL cannot be chosen.',
  ],
  verified: 'against a fake of its documented interface; not at Duck DNS itself',
  oneByOne: true,
  open(tools) {
    const { api } = tools
    const token = wanted(tools, 'DUCKDNS_TOKEN')
    /** What this run has put there, by domain. */
    const held = new Map<string, string>()
    const domainOf = (name: string): string => {
      const [, domain] = /(?:^|\.)([^.]+)\.duckdns\.org$/.exec(name) ?? []
      if (domain !== undefined) return domain
      throw api.refusal(`'${name}': it is no name below 'duckdns.org'`, [
        "let '_acme-challenge' be a CNAME to a name of yours below 'duckdns.org', or use the provider that serves the zone",
      ])
    }
    const update = async (domain: string, change: Readonly<Record<string, string>>): Promise<void> => {
      const query = new URLSearchParams({ domains: domain, token, ...change })
      const { text } = await api.send({ method: 'GET', url: `${base}?${query}` })
      const [word] = text.trim().split(/\s/)
      if (word === 'OK') return
      if (word === 'KO')
        throw api.refusal(`to change '${domain}.duckdns.org'`, [
          'check the token, and that the domain is of its account',
        ])
      throw api.nonsense(`expected 'OK' or 'KO', found '${text.slice(0, 60)}'`)
    }
    return {
      async present({ name, value }) {
        const domain = domainOf(name)
        const other = held.get(domain)
        if (other !== undefined && other !== value)
          throw api.refusal(
            `'${name}': one value only fits into '${domain}.duckdns.org', and another name needs it now`,
            ['give each name of this domain a certificate of its own, or the wildcard one and the domain another'],
          )
        held.set(domain, value)
        await update(domain, { txt: value })
      },
      async cleanUp({ name, value }) {
        const domain = domainOf(name)
        if ((held.get(domain) ?? value) !== value) return
        // Without `txt` it would be the addresses that are cleared.
        await update(domain, { txt: '', clear: 'true' })
        held.delete(domain)
      },
    }
  },
}
