// A bridge makes a provider of what other ACME clients' users have: its name goes on behind a colon.
import { isAbsolute } from 'node:path'
import { NixacmeError } from '../../../errors.ts'
import type { ProviderDefinition } from '../provider.ts'

export interface Bridge {
  readonly prefix: string
  /** `acmesh:dns_<name>`, for lists and the manual. */
  readonly form: string
  /** A few words: what it is. */
  readonly about: string
  /** `rest` is what follows the colon. Throws `config` (78) for what makes no sense there; looks at no file yet. */
  make(name: string, rest: string): ProviderDefinition
}

/** The path in the name of a bridge's provider. Throws `config` (78) for one that is not absolute. */
export function absolute(path: string, name: string): string {
  if (isAbsolute(path)) return path
  throw new NixacmeError('config', `the provider '${name}' names '${path}': expected an absolute path`)
}
