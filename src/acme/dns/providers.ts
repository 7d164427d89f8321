// Every DNS provider that nixacme speaks to itself, by lego's name for it, and how one is opened.
import { NixacmeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Transport } from '../transport.ts'
import { Api } from './api.ts'
import { acmesh } from './bridges/acmesh.ts'
import type { Bridge } from './bridges/bridge.ts'
import { certbot } from './bridges/certbot.ts'
import { dehydrated } from './bridges/dehydrated.ts'
import { hookRunner } from './hook.ts'
import { type DnsProvider, missing, type ProviderDefinition, type Times } from './provider.ts'
import { acmeDns } from './providers/acme-dns.ts'
import { azuredns } from './providers/azuredns.ts'
import { cloudflare } from './providers/cloudflare.ts'
import { desec } from './providers/desec.ts'
import { digitalocean } from './providers/digitalocean.ts'
import { duckdns } from './providers/duckdns.ts'
import { exec } from './providers/exec.ts'
import { gandiv5 } from './providers/gandiv5.ts'
import { gcloud } from './providers/gcloud.ts'
import { godaddy } from './providers/godaddy.ts'
import { hetzner } from './providers/hetzner.ts'
import { httpreq } from './providers/httpreq.ts'
import { inwx } from './providers/inwx.ts'
import { ionos } from './providers/ionos.ts'
import { linode } from './providers/linode.ts'
import { manual } from './providers/manual.ts'
import { namecheap } from './providers/namecheap.ts'
import { netcup } from './providers/netcup.ts'
import { njalla } from './providers/njalla.ts'
import { ovh } from './providers/ovh.ts'
import { pdns } from './providers/pdns.ts'
import { porkbun } from './providers/porkbun.ts'
import { rfc2136 } from './providers/rfc2136.ts'
import { route53 } from './providers/route53.ts'
import { scaleway } from './providers/scaleway.ts'
import { vultr } from './providers/vultr.ts'

/** In byte order of their names. */
export const providers: readonly ProviderDefinition[] = [
  acmeDns,
  azuredns,
  cloudflare,
  desec,
  digitalocean,
  duckdns,
  exec,
  gandiv5,
  gcloud,
  godaddy,
  hetzner,
  httpreq,
  inwx,
  ionos,
  linode,
  manual,
  namecheap,
  netcup,
  njalla,
  ovh,
  pdns,
  porkbun,
  rfc2136,
  route53,
  scaleway,
  vultr,
]

/** What speaks to providers through the scripts and hooks of other clients: `<prefix>:<rest>`. */
export const bridges: readonly Bridge[] = [acmesh, certbot, dehydrated]

/** Undefined for a name that nobody has. Throws `config` (78) for a bridge's name that makes no sense. */
export function providerNamed(name: string): ProviderDefinition | undefined {
  const [, prefix, rest = ''] = /^([a-z]+):(.*)$/s.exec(name) ?? []
  if (prefix !== undefined) return bridges.find((bridge) => bridge.prefix === prefix)?.make(name, rest)
  return providers.find((provider) => provider.name === name)
}

export interface OpenOptions {
  readonly variable: (name: string) => string | undefined
  readonly zoneOf: (name: string) => Promise<string>
  /** Of nixacme itself: programs get its PATH and LANG. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** All variables that the certificate's files with credentials set. */
  readonly credentials?: () => Readonly<Record<string, string>>
  /** Somebody reads along, at a terminal. */
  readonly isAttended?: boolean
  readonly transport: Transport
  readonly userAgent: string
  now(): Date
  readonly log: Log
  readonly signal: AbortSignal
}

export interface OpenProvider {
  readonly provider: DnsProvider
  readonly times: Times
  /** Its changes cannot be made side by side. */
  readonly oneByOne: boolean
}

/** Reads its variables and makes it ready; nothing is sent. Throws `config` (78) for what is missing or makes no sense. */
export function openProvider(definition: ProviderDefinition, options: OpenOptions): OpenProvider {
  const {
    transport,
    userAgent,
    now,
    log,
    signal,
    zoneOf,
    env = {},
    credentials = noCredentials,
    isAttended = false,
  } = options
  const read = new Set<string>()
  const isPublic = publicNames(definition)
  const given = underBothPrefixes(definition, options.variable)
  const variable = (name: string) => {
    const value = given(name)
    if (value !== undefined && !isPublic(name)) read.add(value)
    return value
  }
  for (const { name, aliases = [], required } of definition.variables)
    if (required && [name, ...aliases].every((alias) => !variable(alias))) throw missing([name, ...aliases])
  const { title } = definition
  const secrets = () => [...read]
  const api = new Api({ title, transport, userAgent, now, signal, secrets })
  const told = () => Object.entries(credentials()).flatMap(([name, value]) => (isPublic(name) ? [] : [value]))
  const runHook = hookRunner({ env, log, signal, secrets: () => [...read, ...told()] })
  const times = timesOf(definition, given)
  const tools = { variable, api, runHook, credentials, isAttended, ttl: times.ttl, zoneOf, now, log, signal }
  return { provider: definition.open(tools), times, oneByOne: definition.oneByOne === true }
}

function underBothPrefixes(
  { prefix, newerPrefix }: ProviderDefinition,
  variable: OpenOptions['variable'],
): OpenOptions['variable'] {
  if (newerPrefix === undefined) return variable
  return (name) =>
    (name.startsWith(`${prefix}_`) && variable(newerPrefix + name.slice(prefix.length))) || variable(name)
}

const noCredentials = (): Readonly<Record<string, string>> => ({})

/** The names of variables whose values may be told. */
const publicNames = ({ prefix, variables }: ProviderDefinition) => {
  const names = variables.filter(({ isPublic }) => isPublic).flatMap(({ name, aliases = [] }) => [name, ...aliases])
  const all = new Set([
    ...names,
    ...['TTL', 'PROPAGATION_TIMEOUT', 'POLLING_INTERVAL'].map((time) => `${prefix}_${time}`),
  ])
  return (name: string): boolean => all.has(name)
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
