// DNS messages as bytes (RFC 1035 §3 and §4): a codec of our own, since signing (RFC 8945) needs the very bytes, and updates
// (RFC 2136) need classes and empty data that packages for look-ups do not have.

export const types = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, OPT: 41, TSIG: 250 } as const
export const classes = { IN: 1, NONE: 254, ANY: 255 } as const
/** Bits of the second word of the head. */
export const flagBits = { response: 0x8000, authoritative: 0x0400, truncated: 0x0200, recursive: 0x0100 } as const
/** Values of the same word (RFC 1035 §4.1.1, RFC 2136 §2.2). */
export const opcodes = { query: 0, update: 5 << 11 } as const

export interface WireQuestion {
  readonly name: string
  readonly type: number
  readonly class: number
}

export interface WireRecord extends WireQuestion {
  /** Seconds; other things in OPT. */
  readonly ttl: number
  readonly data: Buffer
}

export interface WireMessage {
  readonly id: number
  /** Flags, operation and result together, as they are sent. */
  readonly flags: number
  readonly questions: readonly WireQuestion[]
  readonly answers: readonly WireRecord[]
  readonly authorities: readonly WireRecord[]
  readonly additionals: readonly WireRecord[]
}

export interface ReadMessage extends WireMessage {
  /** Names within a record's data: they may point to anywhere in the message. Undefined where there is none. */
  nameIn(record: WireRecord): string | undefined
  /** Where the last record begins, of all sections. */
  readonly lastRecordAt: number
}

/** Bytes of the head. */
const headLength = 12

const u16 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value, i * 2)
  return bytes
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** In lower case, without a dot at the end. */
export const plainName = (name: string): string => name.toLowerCase().replace(/\.$/, '')

/** True for what can be sent: labels of 1 to 63 printable ASCII characters, 253 in all (RFC 1035 §2.3.4). */
export const isName = (name: string): boolean =>
  name.length <= 253 && name.split('.').every((label) => /^[!-[\]-~]{1,63}$/.test(label))

/** A name that `isName` takes, or the root (an empty text), not compressed. */
export const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...(name === '' ? [] : name.split('.')).map((label) =>
      Buffer.from([label.length, ...Buffer.from(label, 'latin1')]),
    ),
    Buffer.from([0]),
  ])

/** A text as TXT data: strings of at most 255 bytes. */
export function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.max(1, Math.ceil(bytes.length / 255)) }, (_, i) =>
    bytes.subarray(i * 255, (i + 1) * 255),
  )
  return Buffer.concat(pieces.flatMap((piece) => [Buffer.from([piece.length]), piece]))
}

/** The strings of TXT data in one; undefined where they do not fill it. */
export function decodeText(data: Buffer): string | undefined {
  const pieces: Buffer[] = []
  for (let at = 0; at < data.length; ) {
    const length = data.readUInt8(at)
    if (at + 1 + length > data.length) return undefined
    pieces.push(data.subarray(at + 1, at + 1 + length))
    at += 1 + length
  }
  return Buffer.concat(pieces).toString()
}

const encodeQuestion = ({ name, type, class: kind }: WireQuestion): Buffer =>
  Buffer.concat([encodeName(name), u16(type, kind)])

export const encodeRecord = (record: WireRecord): Buffer =>
  Buffer.concat([encodeQuestion(record), u32(record.ttl), u16(record.data.length), record.data])

export function encodeMessage({ id, flags, questions, answers, authorities, additionals }: WireMessage): Buffer {
  const counts = [questions, answers, authorities, additionals].map((section) => section.length)
  const records = [...answers, ...authorities, ...additionals]
  return Buffer.concat([u16(id, flags, ...counts), ...questions.map(encodeQuestion), ...records.map(encodeRecord)])
}

/** Undefined for what is no whole message. */
export function decodeMessage(bytes: Buffer): ReadMessage | undefined {
  try {
    return read(bytes)
  } catch (e) {
    // Buffer's own: a message that ends too early.
    if (e instanceof RangeError) return undefined
    throw e
  }
}

function read(bytes: Buffer): ReadMessage {
  let at = headLength
  let lastRecordAt = at
  const offsets = new Map<WireRecord, number>()
  const question = (): WireQuestion => {
    const { name, next } = readName(bytes, at)
    at = next + 4
    return { name, type: bytes.readUInt16BE(next), class: bytes.readUInt16BE(next + 2) }
  }
  const record = (): WireRecord => {
    lastRecordAt = at
    const head = question()
    const ttl = bytes.readUInt32BE(at)
    const length = bytes.readUInt16BE(at + 4)
    const from = at + 6
    at = from + length
    if (at > bytes.length) throw new RangeError('data beyond the end')
    const found = { ...head, ttl, data: bytes.subarray(from, at) }
    offsets.set(found, from)
    return found
  }
  const list = <T>(countAt: number, readOne: () => T): T[] => {
    const all: T[] = []
    for (let left = bytes.readUInt16BE(countAt); left > 0; left--) all.push(readOne())
    return all
  }
  const message = {
    id: bytes.readUInt16BE(0),
    flags: bytes.readUInt16BE(2),
    questions: list(4, question),
    answers: list(6, record),
    authorities: list(8, record),
    additionals: list(10, record),
  }
  const nameIn = (of: WireRecord): string | undefined => {
    try {
      return readName(bytes, offsets.get(of) ?? bytes.length).name
    } catch (e) {
      if (e instanceof RangeError) return undefined
      throw e
    }
  }
  return { ...message, nameIn, lastRecordAt }
}

/** A name in lower case, and where it ends. Bytes that are no plain characters of a name are `\ddd`, so no label hides a dot. */
function readName(bytes: Buffer, from: number): { readonly name: string; readonly next: number } {
  const labels: string[] = []
  let next: number | undefined
  let length = 0
  // Each pointer leads to what came before it, so that there is an end (RFC 1035 §4.1.4).
  let earliest = from
  for (let at = from; ; ) {
    const size = bytes.readUInt8(at)
    if (size >= 0xc0) {
      next ??= at + 2
      at = bytes.readUInt16BE(at) & 0x3fff
      if (at >= earliest) throw new RangeError('a pointer forward')
      earliest = at
      continue
    }
    if (size > 63) throw new RangeError('a label of unknown kind')
    if (size === 0) return { name: labels.join('.'), next: next ?? at + 1 }
    length += size + 1
    if (length > 254 || at + 1 + size > bytes.length) throw new RangeError('a name without end')
    labels.push(labelOf(bytes.subarray(at + 1, at + 1 + size)))
    at += 1 + size
  }
}

const labelOf = (bytes: Buffer): string =>
  [...bytes.toString('latin1')]
    .map((character) =>
      /[!-[\]-~]/.test(character) && character !== '.'
        ? character
        : `\\${String(character.charCodeAt(0)).padStart(3, '0')}`,
    )
    .join('')
    .toLowerCase()
