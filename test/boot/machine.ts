// What the tests inside a booted machine use: nixacme as installed there, its config, systemd's tools, the web server's
// certificates. The machine is theirs alone: they write to /etc and /var/lib as an admin would.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type RunOptions, type RunResult, run } from '../support/process.ts'

export const stateDir = '/var/lib/acme'
export const challengeRoot = '/var/lib/acme/acme-challenge'
const configDir = '/etc/nixacme'

type Value = string | number | boolean | readonly string[]
export type Options = Readonly<Record<string, Value>>

export interface Config {
  readonly global?: Options
  readonly defaults?: Options
  readonly certs: Readonly<Record<string, Options>>
}

/** Runs a command of the machine to its end. */
const inside = (command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  run(command, args, { timeoutMs: 120_000, ...options })

/** The same, and it must end well: gives its stdout. */
export async function ok(command: string, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await inside(command, args)
  assert.equal(status, 0, `${command} ${args.join(' ')}: status ${status}\n${stdout}${stderr}`)
  return stdout
}

export const nixacme = (...args: readonly string[]): Promise<RunResult> => inside('nixacme', args)
export const systemctl = (...args: readonly string[]): Promise<RunResult> => inside('systemctl', args)

/** Writes the config that the machine has from now on; `nixacme apply` is the caller's. */
export function configure({ global = {}, defaults = {}, certs }: Config): void {
  mkdirSync(configDir, { recursive: true })
  writeFileSync(`${configDir}/config.json`, JSON.stringify({ acceptTerms: true, ...global, defaults, certs }))
}

/** `nixacme apply`, which must succeed: what it has written to stdout. */
export const apply = (): Promise<string> => ok('nixacme', 'apply')

/** One property of a unit, as `systemctl show` has it. */
export const show = async (unit: string, property: string): Promise<string> =>
  (await ok('systemctl', 'show', '--property', property, '--value', '--', unit)).trim()

/** Whether the last run of a service ended badly; it may be about to be started again. */
export const hasFailed = async (unit: string): Promise<boolean> =>
  (await show(unit, 'Result')) !== 'success' && (await show(unit, 'MainPID')) === '0'

/** The messages of a unit in the journal, of this boot, each a line. */
export async function journal(unit: string, ...more: readonly string[]): Promise<string> {
  // What has been sent to the journal may not be there yet.
  await ok('journalctl', '--sync')
  return ok('journalctl', '--boot', '--quiet', '--no-pager', '--output=cat', `--unit=${unit}`, ...more)
}

/** The names of the units that match and are in this state (`failed`, `activating`, …). */
export async function unitsIn(state: string, pattern: string): Promise<string[]> {
  const options = [`--state=${state}`, '--all', '--plain', '--no-legend', '--no-pager']
  const listed = await ok('systemctl', 'list-units', ...options, '--', pattern)
  return listed.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || [])
}

/** Tries until it is so; fails after so many seconds, and says then what was awaited and what was there instead. */
export async function untilTrue(
  what: string,
  isSo: () => boolean | string | Promise<boolean | string>,
  seconds = 30,
): Promise<void> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const found = await isSo()
    if (found === true) return
    assert.ok(Date.now() < end, `after ${seconds} s it is not so: ${what}${found === false ? '' : `; found: ${found}`}`)
    // Who waits long looks seldom: a look costs what it waits for, too.
    await new Promise((resolve) => setTimeout(resolve, seconds * 3))
  }
}

/** Until systemd has nothing more to do for these units: they neither run nor are about to. */
export const untilIdle = (pattern: string, seconds = 60): Promise<void> =>
  untilTrue(
    `no job for ${pattern} is left`,
    async () => {
      const jobs = await ok('systemctl', 'list-jobs', '--plain', '--no-legend', '--no-pager', '--', pattern)
      return jobs.trim() === '' || `${jobs.trim().split('\n').length} jobs`
    },
    seconds,
  )

/** A certificate, as its readers see it. */
export interface Seen {
  readonly issuer: string
  /** In byte order. */
  readonly names: readonly string[]
  readonly serial: string
  readonly isSelfsigned: boolean
}

const localCa = /^CN=minica root ca /m

function describe(certificate: X509Certificate): Seen {
  const { issuer, serialNumber, subjectAltName = '' } = certificate
  const names = subjectAltName.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''))
  return { issuer, names: names.sort(), serial: serialNumber, isSelfsigned: localCa.test(issuer) }
}

/** What stands in a certificate's folder. */
export const installed = (cert: string): Seen =>
  describe(new X509Certificate(readFileSync(`${stateDir}/${cert}/cert.pem`)))

/** What `openssl s_client` is shown by the web server under this name. */
export async function served(name: string): Promise<Seen> {
  const options = ['s_client', '-connect', '127.0.0.1:443', '-servername', name]
  const { stdout, stderr } = await inside('openssl', options, { timeoutMs: 10_000 })
  const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(stdout)
  assert.ok(pem, `nobody shows a certificate for '${name}': ${stderr}`)
  return describe(new X509Certificate(pem[0]))
}

/** Writes a unit, or a drop-in such as `nginx.service.d/order.conf`, and has systemd read it. */
export async function writeUnit(name: string, text: string): Promise<void> {
  const path = `/run/systemd/system/${name}`
  mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
  writeFileSync(path, text)
  await ok('systemctl', 'daemon-reload')
}

/** Takes away what `writeUnit` has written. */
export async function removeUnit(name: string): Promise<void> {
  rmSync(`/run/systemd/system/${name}`)
  await ok('systemctl', 'daemon-reload')
}

/** As if the renewal of this certificate had never run. */
export async function forget(cert: string): Promise<void> {
  const service = `acme-${cert}.service`
  await systemctl('stop', service)
  await systemctl('reset-failed', service)
  await ok('systemctl', 'clean', '--what=state', service)
}

/** As before the first file: no certificate, no unit, no state. */
export async function reset(): Promise<void> {
  await systemctl('stop', 'acme-*', 'nginx.service', 'pebble.service', 'challtestsrv.service')
  configure({ certs: {} })
  await apply()
  await systemctl('reset-failed')
  for (const name of readdirSync(stateDir)) rmSync(`${stateDir}/${name}`, { recursive: true, force: true })
  await ok('systemctl', 'daemon-reload')
}
