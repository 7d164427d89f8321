// What the CA remembers: accounts, orders, authorizations, challenges and certificates, by small numbers in the order
// of their making, so that a journal can be read.
import type { IssuedCertificate } from './authority.ts'
import type { Jwk } from './jws.ts'
import { type Identifier, notFound, type Problem } from './problem.ts'

export interface Account {
  readonly id: number
  jwk: Jwk
  thumbprint: string
  contact: readonly string[]
  status: 'valid' | 'deactivated'
}

export interface Challenge {
  readonly id: number
  readonly authzId: number
  readonly type: string
  readonly token: string | undefined
  status: 'pending' | 'processing' | 'valid' | 'invalid'
  validated?: Date
  error?: Problem
}

export interface Authz {
  readonly id: number
  readonly accountId: number
  /** Without the `*.` of a wildcard. */
  readonly identifier: Identifier
  readonly wildcard: boolean
  readonly expires: Date
  challenges: readonly Challenge[]
  status: 'pending' | 'valid' | 'invalid' | 'deactivated'
  /** Known to the CA, shown after `polls` more looks. */
  verdict?: { challenge: Challenge; problem: Problem | undefined; polls: number }
}

export interface Order {
  readonly id: number
  readonly accountId: number
  readonly identifiers: readonly Identifier[]
  readonly authzIds: readonly number[]
  readonly expires: Date
  /** Looks in vain before `ready`. */
  readyPolls: number
  /** The identifier (RFC 9773 §4.1) of the certificate that it takes the place of. */
  readonly replaces?: string | undefined
  certificate?: { id: number; polls: number }
}

export interface StoredCertificate {
  readonly id: number
  readonly accountId: number
  readonly issued: IssuedCertificate
  /** The code of the reason, once it is revoked. */
  revoked?: number
}

/** Things numbered from 1. `what` names one in the refusal of an unknown number. */
export class Shelf<T> {
  readonly #what: string
  #things = new Map<number, T>()
  #last = 0

  constructor(what: string) {
    this.#what = what
  }

  get size(): number {
    return this.#things.size
  }

  get all(): readonly T[] {
    return [...this.#things.values()]
  }

  add<U extends T>(make: (id: number) => U): U {
    const thing = make(++this.#last)
    this.#things.set(this.#last, thing)
    return thing
  }

  /** Throws a 404 problem for an unknown number. */
  get(id: number): T {
    const thing = this.#things.get(id)
    if (thing === undefined) throw notFound(this.#what)
    return thing
  }

  /** Numbers are not given out twice, so an old URL never means something new. */
  clear(): void {
    this.#things.clear()
  }
}

export class Store {
  readonly accounts = new Shelf<Account>('account')
  readonly orders = new Shelf<Order>('order')
  readonly authorizations = new Shelf<Authz>('authorization')
  readonly challenges = new Shelf<Challenge>('challenge')
  readonly certificates = new Shelf<StoredCertificate>('certificate')

  /** Public keys (SubjectPublicKeyInfo, base64) that are not certified any more. */
  readonly blockedKeys = new Set<string>()

  clear(): void {
    this.blockedKeys.clear()
    for (const shelf of [this.accounts, this.orders, this.authorizations, this.challenges, this.certificates]) {
      shelf.clear()
    }
  }
}
