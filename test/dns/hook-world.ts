// Providers that start programs: opened with a log that is kept, and programs that a test writes.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProviderDefinition } from '../../src/acme/dns/provider.ts'
import { type OpenOptions, openProvider } from '../../src/acme/dns/providers.ts'
import { openTransport } from '../../src/acme/transport.ts'
import type { Log } from '../../src/log.ts'
import { temporaryDir } from '../support/process.ts'
import { onTrial, type TrialProvider } from './trial.ts'

interface Ending {
  after(action: () => void | Promise<void>): void
}

export interface HookWorld {
  readonly dir: string
  /** All that was told, a line each. */
  readonly told: string[]
  open(
    definition: ProviderDefinition | undefined,
    variables: Readonly<Record<string, string>>,
    more?: Partial<OpenOptions>,
  ): TrialProvider
  /** Writes a shell script that can be run; gives its path. `$OUT` in it is the file that `seen` reads. */
  script(name: string, text: string, shell?: string): string
  /** What the scripts have written to their file. */
  seen(): string
}

export const record = {
  name: '_acme-challenge.www.example.com',
  value: 'LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo',
  challenge: { domain: 'www.example.com', token: '-token_1', keyAuthorization: '-token_1.thumbprint' },
} as const

export function makeHookWorld(t: Ending): HookWorld {
  const dir = temporaryDir(t, 'nixacme-hook-test')
  const told: string[] = []
  const tell = (message: string) => void told.push(message)
  const log: Log = {
    error: tell,
    warning: tell,
    notice: tell,
    info: tell,
    about: () => log,
    waiting: tell,
    progress: tell,
  }
  const transport = openTransport({ caCertificates: [], env: {} })
  t.after(() => transport.close())
  const out = join(dir, 'out')
  writeFileSync(out, '')
  return {
    dir,
    told,
    open(definition, variables, more = {}) {
      if (!definition) throw new Error('no such provider')
      const { provider } = openProvider(definition, {
        variable: (name) => variables[name],
        credentials: () => variables,
        env: process.env,
        zoneOf: async () => 'example.com',
        transport,
        userAgent: 'nixacme/0.0.0',
        now: () => new Date(),
        log,
        signal: AbortSignal.timeout(60_000),
        ...more,
      })
      return onTrial(provider)
    },
    script(name, text, shell = '/bin/sh') {
      const path = join(dir, name)
      writeFileSync(path, `#!${shell}\nOUT='${out}'\n${text}`, { mode: 0o755 })
      return path
    },
    seen: () => readFileSync(out, 'utf8'),
  }
}
