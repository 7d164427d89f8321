// extraLegoFlags and the other two without lego: what has a meaning here too takes it, the rest is a fault that says what to
// set instead. With lego they are lego's, but for what nixacme says itself and what would be lost or seen.
import { type Candidate, effectivePlace } from './candidate.ts'
import type { Findings } from './faults.ts'

export const flagOptions = ['extraLegoFlags', 'extraLegoRunFlags', 'extraLegoRenewFlags'] as const

type Options = Candidate['options']

/** Options of ours that a flag of lego's may stand for. */
export type Meant = Partial<
  Pick<Options, 'ocspMustStaple' | 'keyReuse' | 'preferredChain' | 'profile' | 'dnsResolver' | 'dnsPropagationCheck'>
>

interface Meaning {
  /** What it is for nixacme; undefined where it is nothing. */
  readonly means?: (value: string) => Meant
  /** It is as if it were there, or does nothing that is needed: passed over. */
  readonly isMet?: true
  /** What to set in its place, as a hint. */
  readonly instead?: string
  /** Without one after it. */
  readonly isSwitch?: true
  /** Why lego is not given it either. */
  readonly never?: string
}

const met: Meaning = { isSwitch: true, isMet: true }
const unchecked: Meaning = { isSwitch: true, means: () => ({ dnsPropagationCheck: false }) }
const own = (option: string): Meaning => ({ instead: `set '${option}'`, never: `'${option}' says it` })
const like = (option: string): Meaning => ({ instead: `set '${option}'` })
const lost = 'nobody gets the file: services have full.pem'
const binding: Meaning = {
  instead: 'put LEGO_EAB_KID and LEGO_EAB_HMAC into the file of environmentFile',
  never: 'it would be seen in the list of processes',
}

/** Of lego 4 and 5, by name without hyphens. */
const meanings: Readonly<Record<string, Meaning>> = {
  'must-staple': { isSwitch: true, means: () => ({ ocspMustStaple: true }) },
  'reuse-key': { isSwitch: true, means: () => ({ keyReuse: true }) },
  'preferred-chain': { means: (preferredChain) => ({ preferredChain }) },
  profile: { means: (profile) => ({ profile }) },
  'dns.resolvers': { means: (dnsResolver) => ({ dnsResolver }) },
  'dns.disable-cp': unchecked,
  'dns.propagation-disable-ans': unchecked,
  'dns.propagation.disable-ans': unchecked,
  'accept-tos': met,
  a: met,
  'no-random-sleep': met,
  'force-cert-domains': met,
  dynamic: met,
  eab: met,
  kid: binding,
  hmac: binding,
  'eab.kid': binding,
  'eab.hmac': binding,
  domains: own('extraDomainNames'),
  d: own('extraDomainNames'),
  server: own('server'),
  s: own('server'),
  email: own('email'),
  m: own('email'),
  csr: own('csr'),
  c: own('csr'),
  'key-type': own('keyType'),
  k: own('keyType'),
  'account-id': { never: 'the account is found by its address' },
  'cert.name': { never: "the files have the name of the first 'domain'" },
  path: { never: 'lego works in a folder that nixacme makes for it' },
  filename: { never: 'the files have names that nixacme looks for' },
  'no-bundle': { isSwitch: true, never: 'services need the whole chain' },
  pem: { isSwitch: true, isMet: true, never: lost },
  pfx: { isSwitch: true, never: lost, instead: 'make it in postRun' },
  'pfx.pass': { never: lost, instead: 'make it in postRun' },
  'pfx.password': { never: lost, instead: 'make it in postRun' },
  'pfx.format': { never: lost, instead: 'make it in postRun' },
  http: { isSwitch: true, instead: "set 'webroot' or 'listenHTTP'" },
  'http.webroot': like('webroot'),
  'http.port': like('listenHTTP'),
  'http.address': like('listenHTTP'),
  'http.s3-bucket': like('s3Bucket'),
  tls: { isSwitch: true, ...like('listenTLS') },
  'tls.port': like('listenTLS'),
  'tls.address': like('listenTLS'),
  dns: like('dnsProvider'),
  'tls-skip-verify': { isSwitch: true, ...like('caCertificates') },
  days: like('validMinDays'),
  'renew-days': like('validMinDays'),
  'ari-disable': { isSwitch: true, instead: "set 'validMinDays': what the CA wishes does not count then" },
  'renew-force': { isSwitch: true, instead: "run 'nixacme renew --now' when it is wanted" },
  'always-deactivate-authorizations': { isSwitch: true },
  'not-after': like('notAfter'),
  'private-key': like('csrKey'),
  'cert.timeout': like('orderTimeout'),
  'run-hook': like('postRun'),
  'renew-hook': like('postRun'),
  'deploy-hook': like('postRun'),
}

interface Flag {
  /** Without hyphens. */
  readonly name: string
  readonly value: string | undefined
  /** Its index in the list. */
  readonly at: number
}

/** `--name value`, `--name=value`, `--name`; a word that belongs to nothing is a flag without a name. */
function flagsOf(words: readonly string[]): Flag[] {
  const flags: Flag[] = []
  for (let at = 0; at < words.length; at++) {
    const [, name = '', value] = /^--?([A-Za-z0-9][\w.-]*)(?:=(.*))?$/s.exec(words[at] ?? '') ?? []
    const next = words[at + 1]
    const isAlone = value !== undefined || meanings[name]?.isSwitch || next === undefined || next.startsWith('-')
    flags.push({ name, value: isAlone || name === '' ? value : next, at })
    if (!isAlone && name !== '') at++
  }
  return flags
}

/** What the flags of a certificate that lego does not get mean for it. */
export function meantByFlags(options: Options): Meant {
  const flags = flagOptions.flatMap((option) => flagsOf(options[option]))
  const meant = flags.map(({ name, value }) => meanings[name]?.means?.(value ?? '') ?? {})
  return options.engine === 'lego' ? {} : Object.assign({}, ...meant)
}

/** Every flag that cannot be followed is a fault at its place; values, which may be secret, are not shown. */
export function assertFlags(cert: Candidate, findings: Findings): void {
  const isLego = cert.options.engine === 'lego'
  for (const option of flagOptions.filter((one) => !cert.faulty.has(one)))
    for (const { name, value, at } of flagsOf(cert.options[option])) {
      const meaning = Object.hasOwn(meanings, name) ? meanings[name] : undefined
      const wrong = isLego ? meaning?.never && `cannot be lego's: ${meaning.never}` : wrongNatively(value, meaning)
      if (wrong === undefined) continue
      const hint = meaning?.instead ?? (isLego ? 'leave it out' : 'leave it out, or set engine = "lego"')
      const flag = name === '' ? 'a word that is no flag' : `flag '--${name}'`
      findings.fault(effectivePlace(cert, option, [at]), `${flag} ${wrong}`, hint)
    }
}

function wrongNatively(value: string | undefined, meaning: Meaning | undefined): string | undefined {
  if (meaning?.isMet || (meaning?.means && (meaning.isSwitch || value))) return undefined
  return meaning?.means ? 'has no value' : 'has no meaning without lego'
}
