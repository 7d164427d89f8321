// The order under way, on disk (`.order.json` beside the certificate): what the next run needs to go on with it, whatever
// ended this one. It is there as soon as the CA has given the order's URL, and holds the certificate's key before the CA
// is asked to sign for it: a certificate that was issued can always be fetched and used.
import { createPrivateKey } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { NixacmeError, systemWord, writeError } from '../errors.ts'
import { lstatIfThere, syncDir, writeAtomically } from '../fs.ts'
import { readOwn } from './own-file.ts'
import type { KeySource } from './request.ts'
import { type Fields, Flaw, fieldsOf, list, optionalText, text, url } from './types.ts'

/** Where the file is, and whose. */
export interface OrderFile {
  readonly path: string
  /** Numeric owner that a file must have to be believed: the user that does the work. */
  readonly uid: number
  /** Numeric group; undefined: what the system gives. */
  readonly gid: number | undefined
}

/** What was asked of the CA, and of whom: an order for anything else is not taken up. */
export interface OrderIdentity {
  readonly directoryUrl: string
  readonly accountUrl: string
  /** A-labels and addresses. */
  readonly names: readonly string[]
  readonly profile: string | null
  /** Seconds of life asked for. */
  readonly notAfter: number | null
  /** Identifier of the certificate that it takes the place of (RFC 9773 §4.1). */
  readonly replaces: string | null
  readonly keySource: KeySource['kind']
}

export interface PendingOrder extends OrderIdentity {
  readonly orderUrl: string
  readonly placedAt: Date
  /** When the CA gives it up (RFC 8555 §7.1.3), where it says so. */
  readonly expires: Date | undefined
  /** When its certificate, issued, was first not to be had. */
  readonly missedAt?: Date | undefined
  /** Since when the CA has done nothing but fail at it. */
  readonly failedAt?: Date | undefined
  /** PEM; undefined until it is made, and where the operator has it. */
  readonly keyPem: string | undefined
}

const version = 1
const keySources = ['new', 'keep', 'request'] as const satisfies readonly KeySource['kind'][]
/** Bytes. A hundred of the longest names and the largest key take a third of it. */
const largest = 128 * 1024
const mode = 0o600

/**
 * The order that an earlier run left; undefined where there is none. `flaw` says, as the end of a sentence, why what is
 * there cannot be one: no reason to fail, since a new order takes its place.
 */
export function readPendingOrder(
  file: OrderFile,
  plainHttp: boolean,
): PendingOrder | { readonly flaw: string } | undefined {
  try {
    // It names URLs that are asked in the name of the account.
    const text = readOwn(file, largest)
    return text === undefined ? undefined : parse(JSON.parse(text), plainHttp)
  } catch (e) {
    if (e instanceof SyntaxError) return { flaw: 'it is not JSON' }
    return { flaw: systemWord(e) }
  }
}

function parse(value: unknown, plainHttp: boolean): PendingOrder {
  const fields = fieldsOf(value, 'it')
  if (fields['version'] !== version) throw new Flaw(`it is not of version ${version}`)
  return {
    directoryUrl: text(fields, 'directoryUrl'),
    accountUrl: text(fields, 'accountUrl'),
    orderUrl: url(fields, 'orderUrl', plainHttp),
    names: texts(fields, 'names'),
    profile: optionalText(fields, 'profile') ?? null,
    notAfter: optionalNumber(fields, 'notAfter') ?? null,
    replaces: optionalText(fields, 'replaces') ?? null,
    keySource: source(text(fields, 'keySource')),
    placedAt: instant(fields, 'placedAt'),
    expires: optionalInstant(fields, 'expires'),
    missedAt: optionalInstant(fields, 'missedAt'),
    failedAt: optionalInstant(fields, 'failedAt'),
    keyPem: key(optionalText(fields, 'key')),
  }
}

function texts(fields: Fields, name: string): readonly string[] {
  const found = list(fields, name)
  if (!found.every((one) => typeof one === 'string')) throw new Flaw(`'${name}' is no list of texts`)
  return found
}

function source(value: string): KeySource['kind'] {
  const found = keySources.find((one) => one === value)
  if (!found) throw new Flaw("'keySource' is not one that is known")
  return found
}

function optionalNumber(fields: Fields, name: string): number | undefined {
  const value = fields[name]
  if (value !== undefined && typeof value !== 'number') throw new Flaw(`'${name}' is no number`)
  return value
}

function instant(fields: Fields, name: string): Date {
  const date = new Date(text(fields, name))
  if (Number.isNaN(date.getTime())) throw new Flaw(`'${name}' is no instant`)
  return date
}

const optionalInstant = (fields: Fields, name: string): Date | undefined =>
  fields[name] === undefined ? undefined : instant(fields, name)

function key(pem: string | undefined): string | undefined {
  try {
    if (pem !== undefined) createPrivateKey(pem)
  } catch {
    throw new Flaw("'key' is no private key")
  }
  return pem
}

/** What this run writes down about its order; each is on disk when the call returns. */
export class OrderRecord {
  readonly #file: OrderFile
  #order: PendingOrder

  /** Nothing is written yet. */
  constructor(file: OrderFile, order: PendingOrder) {
    this.#file = file
    this.#order = order
  }

  get order(): PendingOrder {
    return this.#order
  }

  /** Throws `write` (73) or `permission` (77). */
  write(changes: Partial<PendingOrder> = {}): void {
    this.#order = { ...this.#order, ...changes }
    const { keyPem, placedAt, expires, missedAt, failedAt, profile, notAfter, replaces, ...order } = this.#order
    const content = {
      version,
      ...order,
      profile: profile ?? undefined,
      notAfter: notAfter ?? undefined,
      replaces: replaces ?? undefined,
      placedAt: placedAt.toISOString(),
      expires: expires?.toISOString(),
      missedAt: missedAt?.toISOString(),
      failedAt: failedAt?.toISOString(),
      key: keyPem,
    }
    const { path, gid } = this.#file
    try {
      writeAtomically(path, JSON.stringify(content, null, 2), { mode, gid })
    } catch (e) {
      throw writeError(path, e)
    }
  }
}

/** Throws `write` (73) or `permission` (77). */
export function removePendingOrder({ path }: OrderFile): void {
  try {
    if (!lstatIfThere(path)) return
    // A folder in its place would be in the way of the next one.
    fs.rmSync(path, { recursive: true, force: true })
    syncDir(dirname(path))
  } catch (e) {
    throw writeError(path, e)
  }
}

/** Whether this failure leaves nothing of the order that the next run could go on with. */
export const endsOrder = (e: unknown): boolean =>
  !(e instanceof NixacmeError) || !['later', 'unavailable', 'write', 'permission'].includes(e.kind)
