// Configs in a folder of their own, read as the commands read them.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { CertConfig, Config } from '../../src/config/config.ts'
import { ConfigError, type Fault, formatFault } from '../../src/config/faults.ts'
import { loadConfig } from '../../src/config/load.ts'

export type Files = Readonly<Record<string, string | Uint8Array>>

/** Runs `action` in a new folder with these files, and takes the folder away again. */
export function withFiles<T>(files: Files, action: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'nixacme-config-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true })
      writeFileSync(join(dir, name), content)
    }
    return action(dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const filesOf = (input: string | Files): Files => (typeof input === 'string' ? { 'config.toml': input } : input)

/** The config of these files (one string: a config.toml), read from the default place. */
export const load = (input: string | Files): Config =>
  withFiles(filesOf(input), (dir) => loadConfig(join(dir, 'config.toml'), false))

export function errorIn(dir: string, main = 'config.toml', explicit = false): ConfigError {
  try {
    loadConfig(join(dir, main), explicit)
  } catch (e) {
    assert.ok(e instanceof ConfigError, `expected a ConfigError, found ${e}`)
    return e
  }
  assert.fail('expected faults, found none')
}

export const errorOf = (input: string | Files): ConfigError => withFiles(filesOf(input), (dir) => errorIn(dir))

/** All faults, file names without their folder. */
export const faultsOf = (input: string | Files): Fault[] =>
  withFiles(filesOf(input), (dir) =>
    errorIn(dir).faults.map((fault) => ({
      ...fault,
      file: fault.file.replace(`${dir}/`, ''),
      message: fault.message.replaceAll(`${dir}/`, ''),
    })),
  )

/** All faults as lines, e.g. `config.toml:1:2: certs.x: …`. */
export const linesOf = (input: string | Files): string[] => faultsOf(input).map(formatFault)

/** What it is about, config, the lines that are told (and no others), in order. */
export type FaultCase = readonly [string, string | Files, readonly RegExp[]]

export function testFaults(cases: readonly FaultCase[]): void {
  for (const [name, config, wanted] of cases)
    test(name, () => {
      const lines = linesOf(config)
      assert.equal(lines.length, wanted.length, lines.join('\n'))
      wanted.forEach((sentence, i) => {
        assert.match(lines[i] ?? '', sentence)
      })
    })
}

/** A config whose certificate `x.test` has these further TOML lines. */
export const oneCert = (lines: string, before = ''): string =>
  `acceptTerms = true\n${before}\n[defaults]\nwebroot = "/w"\n[certs."x.test"]\n${lines}\n`

export function onlyCert(config: Config): CertConfig {
  const [cert, more] = config.certs
  assert.ok(cert && !more)
  return cert
}

/** For each check: strings that hold, then strings that do not, each with a part of the sentence. */
export type SyntaxTables = Readonly<
  Record<
    string,
    readonly [
      check: (value: string) => string | undefined,
      good: readonly string[],
      bad: readonly (readonly [string, RegExp])[],
    ]
  >
>

export function testSyntax(tables: SyntaxTables): void {
  for (const [what, [check, good, bad]] of Object.entries(tables)) {
    for (const value of good)
      test(`${what}: ${JSON.stringify(value.slice(0, 60))} holds`, () => assert.equal(check(value), undefined))
    for (const [value, sentence] of bad)
      test(`${what}: ${JSON.stringify(value.slice(0, 60))} does not hold`, () =>
        assert.match(check(value) ?? '', sentence))
  }
}
