// Which of a CA's profiles is ordered: the same answer for `plan`, offline, and for the order.
import { isIP } from 'node:net'
import type { ProfilePolicy } from '../config/config.ts'
import { fits, forAddresses } from '../config/lets-encrypt.ts'

export interface ProfileWish {
  /** Of the CA to order from. */
  readonly directoryUrl: string
  /** A-labels and IP addresses. */
  readonly names: readonly string[]
  /** Profiles that will do, best first; []: whatever the CA gives. */
  readonly profiles: readonly string[]
  readonly profilePolicy: ProfilePolicy
}

export type ProfileChoice =
  /** Undefined: the order names no profile. */
  | { readonly kind: 'order'; readonly profile: string | undefined; readonly reason: string }
  /** `reason` is a clause in lower case without a full stop. */
  | { readonly kind: 'refuse'; readonly reason: string }

const quoted = (names: readonly string[]): string => names.map((name) => `'${name.slice(0, 100)}'`).join(', ')

/**
 * The profile to order. `offered` are the names in the CA's directory, undefined while it has not been asked: then the
 * answer is what would be ordered if the CA offers all that is accepted. Pure.
 */
export function chooseProfile(wish: ProfileWish, offered: readonly string[] | undefined): ProfileChoice {
  const { directoryUrl, names, profiles, profilePolicy } = wish
  if (profiles.length === 0) return withoutWish(names, offered)
  const fitting = profiles.filter((name) => fits(directoryUrl, name, names))
  // Where none is known to fit the CA is to say so.
  const accepted = fitting.length > 0 ? fitting : profiles
  const [first] = accepted
  const isFirst = first === profiles[0]
  if (offered === undefined) {
    const reason = isFirst ? 'if the CA offers it' : 'the first that takes these names, if the CA offers it'
    return { kind: 'order', profile: first, reason }
  }
  const profile = accepted.find((name) => offered.includes(name))
  if (profile !== undefined) {
    const reason = isFirst ? 'the first on offer' : 'the first that takes these names'
    return { kind: 'order', profile, reason: profile === profiles[0] ? '' : reason }
  }
  const reason = `the CA offers no profile ${profiles.length === 1 ? quoted(profiles) : `of ${quoted(profiles)}`}, ${
    offered.length === 0 ? 'it has none' : `only ${quoted(offered)}`
  }`
  if (profilePolicy === 'required') return { kind: 'refuse', reason }
  return { kind: 'order', profile: undefined, reason: `${reason}: ordering without` }
}

function withoutWish(names: readonly string[], offered: readonly string[] | undefined): ProfileChoice {
  const hasAddress = names.some((name) => isIP(name) !== 0)
  if (!hasAddress || (offered !== undefined && !offered.includes(forAddresses)))
    return { kind: 'order', profile: undefined, reason: '' }
  const reason =
    offered === undefined ? 'if the CA offers it, for there is an IP address' : 'for there is an IP address'
  return { kind: 'order', profile: forAddresses, reason }
}

/** The choice as the end of a line, or '' where there is nothing to say: `profile 'shortlived', for …`. */
export function profileWords(choice: ProfileChoice): string {
  if (choice.kind === 'refuse' || choice.profile === undefined) return choice.reason
  return `profile '${choice.profile}'${choice.reason === '' ? '' : `, ${choice.reason}`}`
}
