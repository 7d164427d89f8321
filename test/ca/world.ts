// What the endpoints share: one object that knows the whole CA.
import type { SignedByAccount } from './access.ts'
import type { Authority } from './authority.ts'
import { Problem } from './problem.ts'
import type { Urls } from './routes.ts'
import type { Settings } from './settings.ts'
import type { Account, Store } from './store.ts'

export interface World {
  readonly store: Store
  readonly authority: Authority
  readonly urls: Urls
  /** As they are at this moment. */
  readonly settings: Settings
}

/** One request to a resource with number `id` (0 where there is none). */
export interface Call extends SignedByAccount {
  readonly id: number
}

/** POST-as-GET resources take no payload (RFC 8555 section 6.3). */
export function refusePayload({ payload }: Call): void {
  if (payload !== undefined) throw new Problem(400, 'malformed', 'this resource is only for POST-as-GET')
}

/** Throws `unauthorized` unless `thing` is the account's own. */
export function own<T extends { accountId: number }>(account: Account, thing: T): T {
  if (thing.accountId !== account.id) throw new Problem(403, 'unauthorized', 'this belongs to another account')
  return thing
}

/** The header of everything that is not done yet, when the settings want one. */
export function retryAfterHeader({ settings: { retryAfter } }: World): Record<string, string> {
  if (retryAfter === null) return {}
  const { seconds, as } = retryAfter
  return { 'Retry-After': as === 'date' ? new Date(Date.now() + seconds * 1000).toUTCString() : String(seconds) }
}

export const hours = (n: number): Date => new Date(Date.now() + n * 3_600_000)
