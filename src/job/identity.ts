// The names that the NixOS module derives from options: byte for byte, so that its state is found again (contract 1.7, 2.3).
import { createHash } from 'node:crypto'
import { noEmail } from './paths.ts'

/** The first 20 hex digits of SHA-256 of a UTF-8 string: `mkHash` of the module. */
export const mkHash = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 20)

export interface AccountIdentity {
  /** Directory URL as written; null and '' are the same (the module's `toString null`). */
  readonly server: string | null
  readonly keyType: string
  readonly email: string | null
}

/** Name of the folder under `.lego/accounts/`. */
export const accountHash = ({ server, keyType, email }: AccountIdentity): string =>
  mkHash(`${server ?? ''} ${keyType} ${email || noEmail}`)

export interface DomainIdentity {
  readonly domain: string
  readonly extraDomainNames: readonly string[]
}

/** Content of `domainhash.txt`: the strings as written, in order, extra names first. */
export const domainHash = ({ domain, extraDomainNames }: DomainIdentity): string =>
  mkHash(`${extraDomainNames.join(' ')} ${domain}`)

export interface CertDirIdentity {
  readonly extraLegoFlags: readonly string[]
  readonly extraLegoRunFlags: readonly string[]
  readonly extraLegoRenewFlags: readonly string[]
  readonly server: string | null
  readonly dnsProvider: string | null
  readonly ocspMustStaple: boolean
  readonly keyType: string
  readonly csr: string | null
  readonly profile: string | null
}

/** Name of the folder under `.lego/<cert>/` that holds key and certificate. */
export function certDirHash(o: CertDirIdentity): string {
  const lines = [
    `${o.extraLegoFlags.join(' ')} -`,
    `${o.extraLegoRunFlags.join(' ')} -`,
    `${o.extraLegoRenewFlags.join(' ')} -`,
    `${o.server ?? ''} ${o.dnsProvider ?? ''}`,
    `${o.ocspMustStaple ? '1' : ''} ${o.keyType}`,
  ]
  // The two newer options come after the last newline, so that certificates without them keep their folder (contract 2.3).
  const later = (o.csr ? ` - ${o.csr}` : '') + (o.profile ? ` - ${o.profile}` : '')
  return mkHash(`${lines.join('\n')}\n${later}`)
}

/** Stem of the file names in the certificate's folder: lego replaces every `*` of the domain, and `:` of an IPv6 address. */
export const keyName = (domain: string): string => domain.replaceAll('*', '_').replaceAll(':', '-')
