// What a NixOS machine does for a certificate (contract 1.6, 1.10, 1.11): the folders that its unit mounts together, the
// module's arguments for lego, and the copying into out/ afterwards.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { webrootsOf } from '../../src/config/config.ts'
import type { Part } from '../parts/find.mjs'
import { cannotRun, needs } from '../support/needs.ts'
import { type RunResult, repository, run } from '../support/process.ts'
import { cert, type World } from '../support/world.ts'

export interface Lego {
  readonly name: string
  readonly part: Part
  readonly command: string
  /** Newer ones sleep at random before a renewal unless told not to. */
  readonly renewFlags: readonly string[]
}

const fetched = join(repository, '.parts', 'lego', 'usr', 'bin', 'lego')

/** Debian 12 has built its 4.9 without telling it so. */
const isFourth = (command: string): boolean =>
  / (4\.|dev\b)/.test(
    spawnSync(command, ['--version'], { cwd: tmpdir(), encoding: 'utf8', timeout: 20_000 }).stdout ?? '',
  )

const systemLego: Lego = {
  name: "the system's lego",
  part: 'lego',
  command: 'lego',
  renewFlags: ['--no-random-sleep'],
}

export const newerLego: Lego = {
  name: 'a newer lego',
  part: 'newer-lego',
  command: fetched,
  renewFlags: ['--no-random-sleep', '--ari-disable'],
}

/** Of the fourth series, both. */
export const legos: readonly Lego[] = [systemLego, newerLego]

/** As `needs`: this lego, and Pebble. Version five has other commands and other account files: that is another story. */
export const needsLego = (t: TestContext, { part, command }: Lego): boolean =>
  needs(t, part, 'pebble') && (isFourth(command) || cannotRun(t, `needs lego 4: '${command}' is another`))

const folder = (path: string, mode: number): string => {
  mkdirSync(path, { recursive: true })
  chmodSync(path, mode)
  return path
}

/** The folders as systemd makes them, with the modes of contract 1.6. */
export function stateDirectories(world: World): void {
  const { lego, legoCert, certificates, accounts, accountRoot, out } = world.paths()
  for (const path of [world.roots.state, lego, accounts]) folder(path, 0o755)
  for (const path of [legoCert, certificates, accountRoot, out]) folder(path, 0o750)
}

/** The unit's private working folder: `accounts/`, `certificates/` and `out/` lead to the state. */
function workingDirectory(world: World): string {
  const dir = join(world.dir, 'unit')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir)
  const { accountRoot, certificates, out } = world.paths()
  for (const [name, target] of Object.entries({ accounts: accountRoot, certificates, out }))
    symlinkSync(target, join(dir, name))
  return dir
}

/** Runs lego as the module's script does; stores the domain hash when it went well. */
export async function legoRun(
  world: World,
  lego: Lego,
  { command, caRoot }: { command: readonly string[]; caRoot: string },
): Promise<RunResult> {
  stateDirectories(world)
  const { domain, domainHash, email, keyType, servers, challenges, names } = world.job()
  const [{ directoryUrl }] = servers
  const common = ['--accept-tos', '--path', '.', '-d', domain, '--email', email ?? '', '--key-type', keyType]
  const [webroot = ''] = webrootsOf(challenges)
  const protocol = ['--http', '--http.webroot', webroot]
  const extra = names.slice(1).flatMap((name) => ['-d', name])
  const args = [...common, ...protocol, '--server', directoryUrl, ...extra, ...command]
  mkdirSync(join(webroot, '.well-known', 'acme-challenge'), { recursive: true })
  const env = { LEGO_CA_CERTIFICATES: caRoot, HOME: world.dir }
  const result = await run(lego.command, args, { cwd: workingDirectory(world), env })
  if (result.status === 0) writeFileSync(world.paths().domainHash, `${domainHash}\n`)
  return result
}

/** A first certificate by lego, and its renewal on whatever is there. */
export const legoFirst = (world: World, lego: Lego, caRoot: string) =>
  legoRun(world, lego, { command: ['run'], caRoot })
export const legoRenew = (world: World, lego: Lego, caRoot: string) =>
  legoRun(world, lego, { command: ['renew', '--days', '9001', ...lego.renewFlags], caRoot })

/** The script's last steps: plain files in out/, cert.pem a link, modes as after the next start (contract 1.10). */
export function copyToOut(world: World): void {
  const { out, key, certificate, issuer, resource, domainHash } = world.paths()
  const into = (name: string) => join(out, name)
  copyFileSync(certificate, into('fullchain.pem'))
  copyFileSync(key, into('key.pem'))
  copyFileSync(issuer, into('chain.pem'))
  symlinkSync('fullchain.pem', into('cert.pem'))
  writeFileSync(into('full.pem'), readFileSync(into('key.pem'), 'utf8') + readFileSync(into('fullchain.pem'), 'utf8'))
  for (const name of ['fullchain.pem', 'key.pem', 'chain.pem', 'full.pem']) chmodSync(into(name), 0o640)
  for (const path of [key, certificate, issuer, resource, domainHash]) chmodSync(path, 0o640)
  const minica = folder(join(world.roots.state, '.minica'), 0o750)
  for (const name of ['key.pem', 'cert.pem']) writeFileSync(join(minica, name), '', { mode: 0o600 })
}

/** URL of the stored account. */
export function accountUrl(world: World): string {
  const value = JSON.parse(readFileSync(world.paths().accountJson, 'utf8')) as { registration: { uri: string } }
  assert.match(value.registration.uri, /^https:/)
  return value.registration.uri
}

/** `builtins.toJSON config.security.acme` of such a machine, with all that it holds beside the options in use. */
export function nixosDump(world: World): string {
  const { domain, email, keyType, servers, challenges, group, names, useRoot } = world.job()
  const [{ directoryUrl }] = servers
  const inherited = {
    credentialFiles: {},
    credentialsFile: null,
    dnsPropagationCheck: true,
    dnsProvider: null,
    dnsResolver: null,
    email,
    enableDebugLogs: true,
    environmentFile: null,
    extraLegoFlags: [],
    extraLegoRenewFlags: [],
    extraLegoRunFlags: [],
    group,
    keyType,
    listenHTTP: null,
    ocspMustStaple: false,
    postRun: '',
    profile: null,
    reloadServices: [],
    renewInterval: 'daily',
    renewJitter: '24h',
    server: directoryUrl,
    validMinDays: null,
    webroot: webrootsOf(challenges)[0],
  }
  const merged = '_mkMergedOptionModule'
  const own = { csr: null, csrKey: null, s3Bucket: null, inheritDefaults: true, extraDomains: merged, user: merged }
  const directory = join('/var/lib/acme', cert)
  const certs = {
    [cert]: { ...inherited, ...own, allowKeysForGroup: merged, directory, domain, extraDomainNames: names.slice(1) },
  }
  const global = { acceptTerms: true, maxConcurrentRenewals: 5, useRoot, validMin: merged, validMinDays: null }
  return JSON.stringify({ ...global, certs, defaults: inherited, email, server: directoryUrl, renewInterval: 'daily' })
}
