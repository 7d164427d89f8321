// The golden vectors of identity.nix: read from identity.json, and made anew by real Nix.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AccountIdentity, CertDirIdentity, DomainIdentity } from '../../src/job/identity.ts'

interface Vector<I, O> {
  readonly input: I
  readonly output: O
}

export interface IdentityVectors {
  readonly accountHash: readonly Vector<AccountIdentity, string>[]
  readonly certDirHash: readonly Vector<CertDirIdentity, string>[]
  readonly domainHash: readonly Vector<DomainIdentity, string>[]
  readonly keyName: readonly Vector<string, string>[]
  readonly slots: readonly Vector<
    { readonly certs: readonly string[]; readonly limit: number },
    Record<string, number>
  >[]
}

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

export const vectorsPath = file('identity.json')

export const identityVectors = (): IdentityVectors => JSON.parse(readFileSync(vectorsPath, 'utf8'))

/** The text of identity.json as Nix gives it today, laid out as the formatter wants all files. */
export function evaluateVectors(): string {
  const json = output('nix-instantiate', ['--eval', '--strict', '--json', file('identity.nix')], {
    // Evaluation alone needs no store; without one of its own a user who may not write /nix could not run it.
    env: { ...process.env, NIX_REMOTE: 'dummy://' },
  })
  const biome = file('../../node_modules/.bin/biome')
  return output(biome, ['format', `--stdin-file-path=${vectorsPath}`], { input: json })
}

const output = (command: string, args: string[], options: { env?: NodeJS.ProcessEnv; input?: string }): string =>
  execFileSync(command, args, { encoding: 'utf8', timeout: 60_000, stdio: ['pipe', 'pipe', 'ignore'], ...options })
