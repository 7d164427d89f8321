// Questions to name servers, and what their answers mean: bytes from outside become types here.
import { randomInt } from 'node:crypto'
import { NixacmeError } from '../../errors.ts'
import { canonicalAddress } from '../../url.ts'
import {
  classes,
  decodeMessage,
  decodeText,
  encodeMessage,
  flagBits,
  isName,
  opcodes,
  plainName,
  type ReadMessage,
  types,
  type WireRecord,
} from './wire.ts'

export type QueryType = 'A' | 'AAAA' | 'CNAME' | 'NS' | 'SOA' | 'TXT'

export interface Question {
  readonly name: string
  readonly type: QueryType
  /** The server shall ask others where it does not know itself. */
  readonly recursive: boolean
}

export interface DnsRecord {
  /** The owner, in lower case, without a dot at the end. */
  readonly name: string
  readonly type: QueryType
  /** Of A, AAAA, CNAME and NS the address or name; of TXT the whole text; of SOA nothing. */
  readonly data: string
}

export interface Message {
  /** `NOERROR`, `NXDOMAIN`, `REFUSED`, … */
  readonly rcode: string
  /** Of the server's own data: AA. */
  readonly isAuthoritative: boolean
  /** It did not fit: TC. */
  readonly isTruncated: boolean
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
}

/** RFC 6895 §2.3: the results that fit into the head, by number. */
const rcodes = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
]

/** Bytes of an answer by UDP that pass everywhere in one piece (https://www.dnsflagday.net/2020/). */
const udpPayloadSize = 1232
/** RFC 6891 §6.1.2: the size stands where others have their class. */
const edns: WireRecord = { name: '', type: types.OPT, class: udpPayloadSize, ttl: 0, data: Buffer.alloc(0) }

export const randomId = (): number => randomInt(65_536)

/** The result in the flags of a message, as a word. */
export const rcodeOf = (flags: number): string => rcodes[flags & 0xf] ?? `RCODE ${flags & 0xf}`

/** Throws `config` (78) for a name that fits into no message. */
export function assertName(name: string): void {
  if (!isName(name))
    throw new NixacmeError('config', `'${name.slice(0, 300)}' is too long, or no name at all, for the DNS`)
}

/**
 * A question with this id; `withEdns`: longer answers by UDP are welcome (RFC 6891). Throws `config` (78) for a name that
 * fits into no message.
 */
export function encodeQuestion({ name, type, recursive }: Question, id: number, withEdns: boolean): Buffer {
  assertName(name)
  return encodeMessage({
    id,
    flags: opcodes.query | (recursive ? flagBits.recursive : 0),
    questions: [{ name, type: types[type], class: classes.IN }],
    answers: [],
    authorities: [],
    additionals: withEdns ? [edns] : [],
  })
}

/** The TXT values that an answer has at a name. */
export const textsAt = (name: string, { answers }: Message): string[] =>
  answers.filter((record) => record.type === 'TXT' && record.name === name).map(({ data }) => data)

/** The message, where it answers this question under this id; undefined for anything else, nonsense too. */
export function decodeAnswer(
  bytes: Buffer,
  question: Pick<Question, 'name' | 'type'>,
  id: number,
): Message | undefined {
  const message = decodeMessage(bytes)
  if (!message || message.id !== id || !(message.flags & flagBits.response)) return undefined
  const [asked, ...more] = message.questions
  // A server that cannot read a question does not always repeat it.
  if (asked === undefined) return rcodeOf(message.flags) === 'NOERROR' ? undefined : readable(message)
  const isIt = asked.name === plainName(question.name) && asked.type === types[question.type] && more.length === 0
  return isIt ? readable(message) : undefined
}

function readable(message: ReadMessage): Message {
  const { flags } = message
  const recordsOf = (records: readonly WireRecord[]) => records.flatMap((record) => recordOf(record, message))
  return {
    rcode: rcodeOf(flags),
    isAuthoritative: (flags & flagBits.authoritative) !== 0,
    isTruncated: (flags & flagBits.truncated) !== 0,
    answers: recordsOf(message.answers),
    authorities: recordsOf(message.authorities),
  }
}

/** None for types that nobody asked for, and for data that is not what its type says. */
function recordOf(record: WireRecord, message: ReadMessage): DnsRecord[] {
  const { name, data } = record
  const of = (type: QueryType, text: string | undefined) => (text === undefined ? [] : [{ name, type, data: text }])
  if (record.class !== classes.IN) return []
  switch (record.type) {
    case types.A:
      return of('A', data.length === 4 ? data.join('.') : undefined)
    case types.AAAA:
      return of('AAAA', data.length === 16 ? addressOf(data) : undefined)
    case types.CNAME:
      return of('CNAME', message.nameIn(record))
    case types.NS:
      return of('NS', message.nameIn(record))
    case types.SOA:
      return of('SOA', '')
    case types.TXT:
      return of('TXT', decodeText(data))
    default:
      return []
  }
}

/** Of the 16 bytes of an IPv6 address. */
const addressOf = (data: Buffer): string => canonicalAddress((data.toString('hex').match(/.{4}/g) ?? []).join(':'))
