// Every DNS provider that nixacme speaks to itself, by lego's name for it, and how one is opened.
import { NixacmeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Transport } from '../transport.ts'
import { Api } from './api.ts'
import { type DnsProvider, missing, type ProviderDefinition, type Times } from './provider.ts'
import { desec } from './providers/desec.ts'

/** In byte order of their names. */
export const providers: readonly ProviderDefinition[] = [desec]

export const providerNamed = (name: string): ProviderDefinition | undefined =>
  providers.find((provider) => provider.name === name)

export interface OpenOptions {
  readonly variable: (name: string) => string | undefined
  readonly zoneOf: (name: string) => Promise<string>
  readonly transport: Transport
  readonly userAgent: string
  now(): Date
  readonly log: Log
  readonly signal: AbortSignal
}

export interface OpenProvider {
  readonly provider: DnsProvider
  readonly times: Times
}

/** Reads its variables and makes it ready; nothing is sent. Throws `config` (78) for what is missing or makes no sense. */
export function openProvider(definition: ProviderDefinition, options: OpenOptions): OpenProvider {
  const { transport, userAgent, now, log, signal, zoneOf } = options
  const read = new Set<string>()
  const variable = (name: string) => {
    const value = options.variable(name)
    if (value !== undefined) read.add(value)
    return value
  }
  for (const { name, aliases = [], required } of definition.variables)
    if (required && [name, ...aliases].every((alias) => !variable(alias))) throw missing([name, ...aliases])
  const { title } = definition
  const api = new Api({ title, transport, userAgent, now, signal, secrets: () => [...read] })
  const times = timesOf(definition, options.variable)
  const tools = { variable, api, ttl: times.ttl, zoneOf, now, log, signal }
  return { provider: definition.open(tools), times }
}

/** What the variables make of the times. Throws `config` (78) for what is no number of seconds. */
function timesOf({ prefix, times }: ProviderDefinition, variable: OpenOptions['variable']): Times {
  const seconds = (name: string, fallback: number) => {
    const text = variable(`${prefix}_${name}`)
    if (text === undefined || text === '') return fallback
    if (/^\d{1,6}$/.test(text)) return Number(text)
    throw new NixacmeError('config', `'${prefix}_${name}' is no whole number of seconds: '${text.slice(0, 40)}'`)
  }
  return {
    ttl: seconds('TTL', times.ttl),
    propagationTimeout: seconds('PROPAGATION_TIMEOUT', times.propagationTimeout),
    pollingInterval: Math.max(1, seconds('POLLING_INTERVAL', times.pollingInterval)),
  }
}
