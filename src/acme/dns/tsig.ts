// Messages signed with a shared secret (RFC 8945): a record at their end, over all that stands before it.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { classes, decodeMessage, encodeName, encodeRecord, type ReadMessage, types, type WireRecord } from './wire.ts'

/** Node's names of the digests, by the algorithms' names (RFC 8945 §6). */
export const tsigDigests = {
  'hmac-md5.sig-alg.reg.int': 'md5',
  'hmac-sha1': 'sha1',
  'hmac-sha224': 'sha224',
  'hmac-sha256': 'sha256',
  'hmac-sha384': 'sha384',
  'hmac-sha512': 'sha512',
} as const

export type TsigAlgorithm = keyof typeof tsigDigests

export interface TsigKey {
  /** In lower case, without a dot at the end. */
  readonly name: string
  readonly algorithm: TsigAlgorithm
  readonly secret: Buffer
}

export interface SignedMessage {
  readonly bytes: Buffer
  readonly mac: Buffer
}

export type Verification =
  | { readonly kind: 'good' }
  /** No signature at all, or none that is ours: nobody knows whose answer it is. */
  | { readonly kind: 'unsigned' | 'forged' }
  /** Signed so long ago or ahead, in seconds of this clock. */
  | { readonly kind: 'old'; readonly seconds: number }
  /** What the server says of our signature: `BADSIG`, `BADKEY`, `BADTIME`, or `error <n>`; that may itself be unsigned. */
  | { readonly kind: 'refused'; readonly word: string }

/** Seconds that clocks may differ by (RFC 8945 §10). */
const fudge = 300

/** RFC 8945 §3. */
const errorWords: Readonly<Record<number, string>> = { 16: 'BADSIG', 17: 'BADKEY', 18: 'BADTIME', 22: 'BADTRUNC' }

interface Variables {
  /** Seconds since 1970. */
  readonly time: number
  readonly fudge: number
  readonly error: number
  readonly other: Buffer
}

const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

const u48 = (value: number): Buffer => {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(value, 0, 6)
  return bytes
}

const withLength = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes])

/** The digest over the request's MAC, where it is an answer, the message, and the variables (RFC 8945 §4.3). */
function digest(key: TsigKey, before: Buffer, message: Buffer, { time, fudge, error, other }: Variables): Buffer {
  const head = [encodeName(key.name), u16(classes.ANY), Buffer.alloc(4), encodeName(key.algorithm)]
  const hmac = createHmac(tsigDigests[key.algorithm], key.secret)
  for (const part of [before, message, ...head, u48(time), u16(fudge), u16(error), withLength(other)]) hmac.update(part)
  return hmac.digest()
}

/** Adds the signature (RFC 8945 §5.1). */
export function signed(message: Buffer, key: TsigKey, now: Date): SignedMessage {
  const time = Math.floor(now.getTime() / 1000)
  const mac = digest(key, Buffer.alloc(0), message, { time, fudge, error: 0, other: Buffer.alloc(0) })
  const id = message.subarray(0, 2)
  const data = [encodeName(key.algorithm), u48(time), u16(fudge), withLength(mac), id, u16(0), u16(0)]
  const record = { name: key.name, type: types.TSIG, class: classes.ANY, ttl: 0, data: Buffer.concat(data) }
  return { bytes: withOneMore(Buffer.concat([message, encodeRecord(record)]), 1), mac }
}

/** Another number of additional records in the head. */
function withOneMore(message: Buffer, more: 1 | -1): Buffer {
  const changed = Buffer.from(message)
  changed.writeUInt16BE(changed.readUInt16BE(10) + more, 10)
  return changed
}

/** Judges the signature of an answer to a message that was signed with this MAC (RFC 8945 §5.2 and §5.3). */
export function verify(answer: Buffer, { key, mac, now }: { key: TsigKey; mac: Buffer; now: Date }): Verification {
  const message = decodeMessage(answer)
  const record = message?.additionals.at(-1)
  if (!message || record?.type !== types.TSIG) return { kind: 'unsigned' }
  const found = variablesOf(record, message)
  const isIt = record.name === key.name && record.class === classes.ANY && record.ttl === 0
  if (!found || !isIt || found.algorithm !== key.algorithm) return { kind: 'forged' }
  // A server that does not know the key cannot sign that it does not.
  if (found.mac.length === 0 && found.error !== 0) return { kind: 'refused', word: wordOf(found.error) }
  const unsigned = withOneMore(answer.subarray(0, message.lastRecordAt), -1)
  u16(found.originalId).copy(unsigned)
  const wanted = digest(key, withLength(mac), unsigned, found)
  if (wanted.length !== found.mac.length || !timingSafeEqual(wanted, found.mac)) return { kind: 'forged' }
  if (found.error !== 0) return { kind: 'refused', word: wordOf(found.error) }
  const seconds = Math.abs(now.getTime() / 1000 - found.time)
  return seconds > found.fudge ? { kind: 'old', seconds: Math.round(seconds) } : { kind: 'good' }
}

const wordOf = (error: number): string => errorWords[error] ?? `error ${error}`

interface Found extends Variables {
  readonly algorithm: string
  readonly mac: Buffer
  readonly originalId: number
}

/** RFC 8945 §4.2; undefined for what is no such data. */
function variablesOf(record: WireRecord, message: ReadMessage): Found | undefined {
  const algorithm = message.nameIn(record)
  // Never compressed, hence as long as it reads.
  const rest = algorithm === undefined ? undefined : record.data.subarray(encodeName(algorithm).length)
  if (algorithm === undefined || rest === undefined || rest.length < 16) return undefined
  const macLength = rest.readUInt16BE(8)
  const tail = rest.subarray(10 + macLength)
  if (tail.length < 6 || tail.length !== 6 + tail.readUInt16BE(4)) return undefined
  return {
    algorithm,
    time: rest.readUIntBE(0, 6),
    fudge: rest.readUInt16BE(6),
    mac: rest.subarray(10, 10 + macLength),
    originalId: tail.readUInt16BE(0),
    error: tail.readUInt16BE(2),
    other: tail.subarray(6),
  }
}
