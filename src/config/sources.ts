// Where the config lies and whether it changed since it was compiled: a few stat calls, cheap enough for every run.
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ConfigSource } from './config.ts'

export const defaultConfigPath = '/etc/nixacme/config.toml'

/** The folder of drop-ins beside a config file. */
export const dropInDir = (configPath: string): string => join(dirname(configPath), 'config.d')

/** How a file or folder looks now; it differs after any change of content, and for a folder, of its entries. */
export function stampOf(path: string): ConfigSource {
  const s = statSync(path, { bigint: true, throwIfNoEntry: false })
  // The inode and its change time tell where a file's own time is kept or always the same (rsync -t, the Nix store).
  return { path, stamp: s ? `${s.mtimeNs}:${s.size}:${s.ctimeNs}:${s.ino}` : null }
}

/** The first source that no longer looks as it did, or undefined. One that cannot be asked counts as unchanged. */
export const changedSource = (sources: readonly ConfigSource[]): string | undefined =>
  sources.find(({ path, stamp }) => {
    try {
      return stampOf(path).stamp !== stamp
    } catch {
      return false
    }
  })?.path
