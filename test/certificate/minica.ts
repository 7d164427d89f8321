// A CA in the shape of those that minica made on NixOS machines, by openssl: for tests of taking them over.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LocalCa } from '../../src/certificate/local-ca-check.ts'

/** Runs openssl; what it says on stderr is in the error when it fails. */
export const openssl = (args: readonly string[], input = ''): string =>
  execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })

export interface MinicaShape {
  readonly key: 'ec' | 'ec384' | 'rsa'
  readonly sec1?: boolean
  readonly pkcs1?: boolean
  /** The name as UTF8String; Go, and so minica, takes PrintableString. */
  readonly utf8?: boolean
  readonly withoutIdentifier?: boolean
  readonly name?: string
}

const algorithms = {
  ec: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  ec384: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  rsa: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
}

/** Makes the CA with files in `dir`. */
export function minicaShape(dir: string, shape: MinicaShape): LocalCa {
  const [keyFile, configFile] = [join(dir, 'minica-key.pem'), join(dir, 'minica.cnf')]
  openssl(['genpkey', '-algorithm', ...algorithms[shape.key], '-out', keyFile])
  writeFileSync(
    configFile,
    `[req]
distinguished_name = name
prompt = no
string_mask = ${shape.utf8 ? 'utf8only' : 'nombstr'}
[name]
CN = ${shape.name ?? 'minica root ca 4f3c21'}
[ca]
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = serverAuth, clientAuth
basicConstraints = critical, CA:TRUE, pathlen:0
subjectKeyIdentifier = ${shape.withoutIdentifier ? 'none' : 'hash'}
`,
  )
  const certificate = ['-days', '36500', '-set_serial', '0x4f3c21aabbccddee', '-extensions', 'ca']
  const pem = openssl(['req', '-x509', '-new', '-key', keyFile, '-config', configFile, ...certificate])
  const convert = (command: string) => openssl([command, '-in', keyFile, '-traditional'])
  const key = shape.sec1
    ? openssl(['ec', '-in', keyFile])
    : shape.pkcs1
      ? convert('rsa')
      : readFileSync(keyFile, 'utf8')
  return { key, certificate: pem }
}
