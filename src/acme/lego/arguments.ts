// The command lines of lego, of the fourth and the fifth series: those of the NixOS module (contract 1.11, 2.5), with what
// our own options add. Pure.
import type { Challenge, KeyType, LegoFlags } from '../../config/config.ts'
import { NixacmeError, unreachable } from '../../errors.ts'
import { noEmail } from '../../job/paths.ts'
import { type Lego, legoWords } from './program.ts'

export interface LegoOrder {
  /** A-labels, the certificate's domain first. */
  readonly names: readonly string[]
  readonly email: string | null
  readonly keyType: KeyType
  readonly challenge: Challenge
  readonly directoryUrl: string
  readonly mustStaple: boolean
  readonly preferredChain: string | null
  readonly profile: string | undefined
  readonly notAfter: Date | undefined
  /** Path of a request of the operator's own. */
  readonly csr: string | null
  /** Path of a key to certify again, PEM; undefined: a new one. */
  readonly keptKey: string | undefined
  /** The names are those of the certificate that is there. */
  readonly isRenewal: boolean
  /** Whether the CA is to be told which certificate this one takes the place of (RFC 9773 §5). */
  readonly replaces: boolean
  /** The CA registers only with a binding: the fourth series asks for a word of it, though the account is there. */
  readonly isBound: boolean
  readonly flags: LegoFlags
}

type Words = readonly string[]

/** Days, as the module has them for a renewal that is to happen whatever lego thinks: that it is due is decided already. */
const always = '9001'

/**
 * The arguments that get the certificate, in a folder that lego is started in. Throws `config` (78) for what this lego
 * cannot do.
 */
export function legoArguments(lego: Lego, order: LegoOrder): string[] {
  const common = commonOf(lego, order)
  // A request says itself what it is for, and lego looks for the certificate to renew under a name of its own choice.
  const isRenewal = order.isRenewal && order.csr === null
  const wishes = wishesOf(lego, order, isRenewal)
  const own = isRenewal ? order.flags.renew : order.flags.run
  if (lego.series === 4)
    return isRenewal
      ? [...common, 'renew', ...wishes, ...calmOf(lego, order), ...own, '--days', always]
      : [...common, 'run', ...wishes, ...own]
  const names = order.csr === null ? optional(lego, '--force-cert-domains') : []
  const start = ['run', ...common, ...optional(lego, '--no-random-sleep'), ...names, ...wishes, ...own]
  if (isRenewal) return [...start, ...(order.replaces ? [] : optional(lego, '--ari-disable')), '--renew-days', always]
  return [...start, '--renew-force', '--ari-disable']
}

/** What brings accounts of the fourth series into the fifth's form, in the folder that lego is started in (contract 2.5). */
export const migrationArguments: Words = ['migrate', '--account-only', '--path', '.']

function commonOf(lego: Lego, order: LegoOrder): string[] {
  const { names, email, keyType, challenge, directoryUrl, csr, flags } = order
  const [domain = '', ...others] = names
  // The fourth series once would not do without an address; the account is there already, so the CA never hears of it.
  const contact = email ?? (lego.series === 4 ? noEmail : undefined)
  return [
    ...['--accept-tos', '--path', '.'],
    ...(csr === null ? ['-d', domain] : ['--csr', csr]),
    ...(contact === undefined ? [] : ['--email', contact]),
    ...['--key-type', keyType],
    ...challengeOf(lego, challenge),
    ...['--server', directoryUrl],
    ...(order.isBound && !flags.all.includes('--eab') ? optional(lego, '--eab') : []),
    ...(csr === null ? others.flatMap((name) => ['-d', name]) : []),
    ...flags.all,
  ]
}

function challengeOf(lego: Lego, challenge: Challenge): Words {
  switch (challenge.kind) {
    case 'webroot':
      return ['--http', '--http.webroot', challenge.webroot]
    case 'listen-http':
      return ['--http', lego.series === 4 ? '--http.port' : '--http.address', challenge.address]
    case 'listen-tls':
      return ['--tls', lego.series === 4 ? '--tls.port' : '--tls.address', challenge.address]
    case 's3':
      return ['--http', needed(lego, '--http.s3-bucket', 's3Bucket'), challenge.bucket]
    case 'dns': {
      const { provider, resolver, propagationCheck } = challenge
      const unchecked = lego.series === 4 ? ['--dns.disable-cp'] : ['--dns.propagation.wait', '0s']
      return [
        ...['--dns', provider],
        ...(propagationCheck ? [] : unchecked),
        ...(resolver === null ? [] : ['--dns.resolvers', resolver]),
      ]
    }
    case 'dns-persist':
      throw new NixacmeError('config', `${legoWords(lego)} is not asked for dns-persist-01`, {
        hints: ['use engine = "native"'],
      })
    default:
      return unreachable(challenge)
  }
}

/** What the certificate is to be. */
function wishesOf(lego: Lego, order: LegoOrder, isRenewal: boolean): string[] {
  const { mustStaple, preferredChain, profile, notAfter, keptKey } = order
  const timestamp = notAfter?.toISOString().replace(/\.\d+Z$/, 'Z')
  return [
    ...(mustStaple ? ['--must-staple'] : []),
    ...(preferredChain === null ? [] : [needed(lego, '--preferred-chain', 'preferredChain'), preferredChain]),
    ...(profile === undefined ? [] : [needed(lego, '--profile', 'profile'), profile]),
    ...(timestamp === undefined ? [] : [needed(lego, '--not-after', 'notAfter'), timestamp]),
    ...(keptKey === undefined
      ? []
      : isRenewal
        ? ['--reuse-key']
        : [needed(lego, '--private-key', 'keyReuse'), keptKey]),
  ]
}

/** Lest it sleeps, or asks the CA whether it is time, with a slot in its hand. */
const calmOf = (lego: Lego, { replaces }: LegoOrder): Words => [
  ...optional(lego, '--no-random-sleep'),
  ...(replaces ? [] : optional(lego, '--ari-disable')),
]

/** For what an older lego does not do anyway. */
const optional = (lego: Lego, option: string): Words => (lego.has(option) ? [option] : [])

function needed(lego: Lego, option: string, ours: string): string {
  if (lego.has(option)) return option
  throw new NixacmeError('config', `${legoWords(lego)} at '${lego.path}' cannot do '${ours}': it has no ${option}`, {
    hints: [`install a newer lego, use engine = "native", or leave '${ours}' out`],
  })
}
