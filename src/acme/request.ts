// What the network half is asked for, and what it is lent to do it with.
import type { ChallengeGroup, KeyType, OwnRequest, ProfilePolicy } from '../config/config.ts'
import type { Host } from '../host.ts'
import type { Log } from '../log.ts'
import type { AccountFiles } from './account-files.ts'
import type { LedgerFile } from './challenges/ledger.ts'
import type { OrderFile } from './pending-order.ts'
import type { Directory } from './types.ts'

/** Where the certificate's key comes from. */
export type KeySource =
  | { readonly kind: 'new' }
  /** `keyReuse`: PEM of the present one. */
  | { readonly kind: 'keep'; readonly pem: string }
  | ({ readonly kind: 'request' } & OwnRequest)

/** The stored certificate, as PEM. */
export interface PresentCertificate {
  readonly key: string
  readonly leaf: string
}

/** What must be remembered of the work with the CA whatever ends it: each is on disk when the call returns. */
export interface Diary {
  /** A new order is about to be placed; `again`: in place of one that the CA failed at. */
  ordering(again?: 'again'): void
  /** It was not placed after all: refused, or nothing got as far as the CA. */
  notOrdered(): void
  /** The challenges of these names are about to be answered. */
  answering(names: readonly string[]): void
  /** What the CA offers. */
  offers(directory: Directory): void
}

export interface IssueRequest {
  /** A-labels, the certificate's domain first. */
  readonly names: readonly string[]
  readonly directoryUrl: string
  /** Whether the CA may be asked by plain http; it must be on this machine then. */
  readonly plainHttp: boolean
  readonly email: string | null
  /** Of the certificate's key, and of the account's where it must be made. */
  readonly keyType: KeyType
  /** How each name is proven: together they hold every one. */
  readonly challenges: readonly ChallengeGroup[]
  /** Profiles that will do, best first; []: whatever the CA gives. */
  readonly profiles: readonly string[]
  readonly profilePolicy: ProfilePolicy
  readonly mustStaple: boolean
  readonly preferredChain: string | null
  /** Seconds of life to ask for; null: as the CA likes. */
  readonly notAfter: number | null
  readonly key: KeySource
  /** Throws `data` (65) for a key (PEM) that is there already and must not be certified any more. */
  refuseKey(keyPem: string): void
  /** The certificate that this one takes the place of, by its identifier of RFC 9773 §4.1. */
  readonly replaces: string | undefined
  /** `<runtime>/challenges`: what listeners answer, those of other runs and of systemd too. */
  readonly challengeFolder: string
  /** Where it is written down what was put where for challenges. */
  readonly ledger: LedgerFile
  /** Where the order under way is kept. */
  readonly order: OrderFile
  /** What is stored now: an order that brought this is done. */
  readonly present: PresentCertificate | undefined
  readonly diary: Diary
  /** The group of webroot folders that are missing; undefined keeps the system's choice. */
  readonly groupGid: number | undefined
  readonly groupName: string
  /** Credentials by the names that lego has for them. */
  readonly variables: (name: string) => string | undefined
  /** The certificate has more CAs than this one: credentials may be for another. */
  readonly hasOtherCas: boolean
  /** All of them that are the certificate's, for hooks and scripts. */
  readonly credentials: () => Readonly<Record<string, string>>
  /** Somebody reads along, at a terminal. */
  readonly isAttended: boolean
  /** Paths of the certificate's keys, present or to come: none of them may be the account's. */
  readonly certificateKeys: readonly string[]
  readonly account: AccountFiles
  /** Runs `work` alone among all processes that share the account; only used when it must be registered. */
  withAccountLock<T>(work: () => Promise<T>): Promise<T>
  /** Paths of PEM files with further roots for the CA's own HTTPS. */
  readonly caCertificates: readonly string[]
  /** HTTPS_PROXY, HTTP_PROXY, NO_PROXY (either case), LEGO_CA_CERTIFICATES. */
  readonly env: Host['env']
  now(): Date
  readonly signal: AbortSignal
  readonly log: Log
  /** Seconds for the whole. */
  readonly deadlineSeconds: number
  /** Stop before anything is made at the CA. */
  readonly dryRun: boolean
  /** `nixacme/<version>`; the library's name is added (RFC 8555 §6.1). */
  readonly userAgent: string
}
