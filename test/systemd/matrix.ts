// The configs whose units the tests of this room look at, each for a reason of its own, and what becomes of them.
import type { CertConfig, ChallengeGroup, Config } from '../../src/config/config.ts'
import { compile } from '../../src/job/compile.ts'
import { type Settings, type SystemFile, systemFiles } from '../../src/systemd/machine.ts'
import { certConfig, config, shownIn } from '../job/support.ts'

export interface Case {
  readonly name: string
  readonly config: Config
  readonly settings: Settings
}

/** Debian's places; systemd as Debian 12 has it. */
export const settings: Settings = {
  program: { command: ['/usr/bin/node', '/usr/bin/nixacme'], config: undefined },
  systemdVersion: 252,
}

const certs = (...changes: readonly (Partial<CertConfig> & { readonly name: string })[]) => changes.map(certConfig)
const three = certs({ name: 'a.example' }, { name: 'b.example' }, { name: 'c.example' })

const listening = (kind: 'listen-http' | 'listen-tls', address: string): ChallengeGroup => ({
  challenge: { kind, address },
  names: ['example.com'],
})

const configs: Readonly<Record<string, Config>> = {
  'one certificate': config(certs({ name: 'example.com', extraDomainNames: ['www.example.com'] })),
  'two of one account': config(certs({ name: 'a.example' }, { name: 'b.example' })),
  'three without bound': config(three, { maxConcurrentRenewals: 0 }),
  'three one by one': config(three, { maxConcurrentRenewals: 1 }),
  'three by two': config(three, { maxConcurrentRenewals: 2, lockTimeout: 90 }),
  'odd names': config(
    certs(
      { name: '-x', domain: 'x.example' },
      { name: 'at@sign', domain: 'at.example' },
      { name: 'plus+sign', domain: 'plus.example' },
      { name: 'sub.with-dash.example', challenges: shownIn('/srv/web "root" \'100%\' $HOME\\n/') },
      { name: 'under_score', domain: 'bücher.example', challenges: shownIn('/srv/größe') },
    ),
  ),
  'other groups': config(certs({ name: 'a.example', group: 'nginx' }, { name: 'b.example', group: 'acme' })),
  'as root': config(certs({ name: 'example.com', group: 'nginx' }), { useRoot: true }),
  'nothing self-signed': config(certs({ name: 'example.com' }), { preliminarySelfsigned: false }),
  'another config file': config(certs({ name: 'example.com' })),
  credentials: config(
    certs(
      {
        name: 'a.example',
        environmentFile: '/etc/secrets/dns 100%.env',
        credentialFiles: { CF_API_KEY_FILE: '/etc/secrets/key', CF_TOKEN_FILE: '/etc/credstore.encrypted/token' },
      },
      {
        name: 'b.example',
        credentialFiles: { A_FILE: '/etc/secrets/a', A_PATH: '/etc/secrets/b', B_PATH: '/etc/secrets/100%.cred' },
      },
    ),
  ),
  'paths that a sandbox hides': config(
    certs(
      { name: 'home.example', challenges: shownIn('/home/u s/100% größe') },
      { name: 'root.example', caCertificates: ['/root/ca.pem', '/etc/ssl/ca.pem'] },
      { name: 'own.example', csr: { request: '/srv/own.csr', key: '/root/100% own.key' } },
      { name: 'tmp.example', challenges: shownIn('/tmp/www') },
    ),
  ),
  'several servers and a request': config(
    certs(
      {
        name: 'example.com',
        servers: ['https://a.example/dir', 'https://b.example/dir'],
        server: 'https://a.example/dir',
        orderTimeout: 1800,
      },
      { name: 'own.example', csr: { request: '/etc/ssl/own.csr', key: '/etc/ssl/own.key' } },
      { name: '2001-db8--1', domain: '2001:db8::1', extraDomainNames: ['192.0.2.1'] },
    ),
  ),
  'other times': config(certs({ name: 'example.com', renewInterval: 'Mon..Fri *-*-* 04:00', renewJitter: '1h 30min' })),
  // The config refuses these until DNS-01 is there.
  'dns and wildcard': config(
    certs({ name: 'example.com', domain: '*.example.com', extraDomainNames: ['example.com'], dnsProvider: 'rfc2136' }),
  ),
  listeners: config(
    certs(
      { name: 'a.example', challenges: [listening('listen-http', ':80')] },
      { name: 'b.example', challenges: [listening('listen-http', '127.0.0.1:80')] },
      {
        name: 'c.example',
        challenges: [listening('listen-http', '/run/acme 100%.sock'), listening('listen-tls', ':443')],
      },
      { name: 'd.example', challenges: [listening('listen-tls', 'localhost:8443')] },
      { name: 'e.example', challenges: [listening('listen-tls', '[2001:db8::1]:444')] },
      { name: 'f.example' },
    ),
  ),
  'systemd 258': config(three, { maxConcurrentRenewals: 2 }),
}

const settingsOf = (name: string): Settings => {
  if (name === 'systemd 258') return { ...settings, systemdVersion: 258 }
  if (name !== 'another config file') return settings
  return { ...settings, program: { ...settings.program, config: '/srv/the "config" 100%/$x.toml' } }
}

export const cases: readonly Case[] = Object.entries(configs).map(([name, of]) => ({
  name,
  config: of,
  settings: settingsOf(name),
}))

export const filesOf = ({ config, settings }: Pick<Case, 'config' | 'settings'>): SystemFile[] =>
  systemFiles(config, compile(config), settings)

/** The case of this name. */
export function caseOf(name: string): Case {
  const found = cases.find((one) => one.name === name)
  if (!found) throw new Error(`no case '${name}'`)
  return found
}

/** Files one after the other, each under its path: as `nixacme units` prints them. */
export const asText = (files: readonly SystemFile[]): string =>
  files.map(({ path, text }) => `# ${path}\n${text}`).join('\n')
