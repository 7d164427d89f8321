// The way from files to a checked config: the one function that commands use.
import type { Config } from './config.ts'
import { Findings } from './faults.ts'
import { readFiles } from './read.ts'
import { resolve } from './resolve.ts'

/**
 * Reads and checks the config. `explicit` tells that `configPath` was named by the user, so that nothing else may stand in
 * for it; otherwise `config.json` beside it may. Throws one ConfigError with every fault of every file: kind `config`
 * (78), or `permission` (77) when a file may not be read.
 */
export function loadConfig(configPath: string, explicit: boolean): Config {
  const findings = new Findings()
  return resolve(readFiles(configPath, explicit, findings), findings)
}
