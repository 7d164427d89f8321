// How nixacme and lego are told what to get, each order with folders of its own: what the parts that compare them share.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from '../test/support/process.ts'
import { rootConfig } from './fleet.ts'
import { current } from './nodes.ts'

/** What is to be got, and where. */
export interface Order {
  /** Of this order alone; it exists. */
  readonly dir: string
  readonly names: readonly string[]
  readonly directoryUrl: string
  /** PEM file of the root that the CA's own HTTPS leads to. */
  readonly tlsRoot: string
}

/** Command, arguments, environment; folders and files that it needs are made. */
export interface Prepared {
  readonly file: string
  readonly args: string[]
  readonly env: Record<string, string>
}

export const email = 'hostmaster@example.com'

/** One for all rounds, as a unit's CacheDirectory= is. */
function cacheOf(dir: string): string {
  const cache = join(dirname(dir), 'cache')
  mkdirSync(cache, { recursive: true, mode: 0o700 })
  return cache
}

/**
 * A renewal as a unit runs it: jobs compiled ahead, a folder for V8's code cache. `way` is TOML: how the names are proven;
 * `flags` are Node's. Throws when the config is refused.
 */
export async function nixacme(
  { dir, names: [domain = '', ...extra], directoryUrl, tlsRoot }: Order,
  way: string,
  flags: readonly string[] = [],
): Promise<Prepared> {
  const config = join(dir, 'config.toml')
  writeFileSync(
    config,
    `acceptTerms = true\n${rootConfig.global}[defaults]\nserver = "${directoryUrl}"\nemail = "${email}"\n` +
      `caCertificates = ["${tlsRoot}"]\n${way}${rootConfig.defaults}` +
      `[certs."${domain}"]\nextraDomainNames = ${JSON.stringify(extra)}\n`,
  )
  const env = {
    NIXACME_CONFIG: config,
    NIXACME_STATE_DIR: join(dir, 'state'),
    NIXACME_RUNTIME_DIR: join(dir, 'run'),
  }
  const { status, stderr } = await run(current.node, [current.cli, '--quiet', 'apply'], { env })
  if (status !== 0) throw new Error(`apply failed: ${stderr.slice(-500)}`)
  return {
    file: current.node,
    args: [...flags, current.cli, 'renew', domain],
    env: { ...env, CACHE_DIRECTORY: cacheOf(dir) },
  }
}

/** A first certificate; `way` are the options that say how the names are proven. */
export function lego(command: string, { dir, names, directoryUrl, tlsRoot }: Order, way: readonly string[]): Prepared {
  const args = ['--server', directoryUrl, '--email', email, '--accept-tos', '--path', dir, '--key-type', 'ec256']
  const domains = names.flatMap((name) => ['--domains', name])
  return {
    file: command,
    args: [...args, ...way, ...domains, 'run'],
    env: { LEGO_CA_CERTIFICATES: tlsRoot, HOME: dir },
  }
}
