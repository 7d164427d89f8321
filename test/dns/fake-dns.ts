// A name server in the test's own process, by UDP and TCP on one port of 127.0.0.1 (or ::1): says what the test has it say, and
// nothing, or nonsense, where that is the point.
import { createSocket } from 'node:dgram'
import { type AddressInfo, createServer, isIPv6, type Socket } from 'node:net'
import { type ServerAddress, show } from '../../src/acme/dns/server-address.ts'
import {
  classes,
  decodeMessage,
  encodeMessage,
  encodeName,
  encodeText,
  flagBits,
  types,
  type WireMessage,
} from '../../src/acme/dns/wire.ts'

export type RowType = 'A' | 'AAAA' | 'CNAME' | 'NS' | 'SOA' | 'TXT'

/** Records as zones have them: `['example.com', 'NS', 'ns1.example.com']`. */
export type Row = readonly [name: string, type: RowType, data: string]

export interface FakeAnswer {
  readonly answers?: readonly Row[]
  readonly authorities?: readonly Row[]
  /** 0 unless told: NOERROR. */
  readonly rcode?: number
  readonly authoritative?: boolean
  readonly truncated?: boolean
  /** Changes the bytes before they are sent; several are several datagrams. */
  readonly bytes?: (answer: Buffer) => Buffer[]
}

export interface FakeQuestion {
  readonly name: string
  readonly type: RowType
  readonly over: 'udp' | 'tcp'
  readonly message: WireMessage
}

export interface FakeDns extends ServerAddress {
  /** `127.0.0.1:<port>`, `[::1]:<port>`. */
  readonly text: string
  /** `udp SOA example.com`, in order. */
  readonly log: string[]
}

interface Ending {
  after(action: () => void | Promise<void>): void
}

/** Starts it; `answer` gives undefined to stay silent. It ends with the test. */
export async function startFakeDns(
  t: Ending,
  answer: (question: FakeQuestion) => FakeAnswer | undefined,
  address = '127.0.0.1',
): Promise<FakeDns> {
  const log: string[] = []
  const handle = (bytes: Buffer, over: 'udp' | 'tcp'): Buffer[] => {
    const message = decodeMessage(bytes)
    const [question] = message?.questions ?? []
    if (!message || !question) throw new Error('a message without a question')
    const { name } = question
    const type = (Object.keys(types) as RowType[]).find((one) => types[one] === question.type) ?? 'A'
    log.push(`${over} ${type} ${name}`)
    const found = answer({ name, type, over, message })
    if (!found) return []
    const { answers = [], authorities = [], rcode = 0, authoritative = true, truncated = false } = found
    const bits = (authoritative ? flagBits.authoritative : 0) | (truncated ? flagBits.truncated : 0)
    const whole = encodeMessage({
      id: message.id,
      flags: flagBits.response | bits | rcode,
      questions: [question],
      answers: answers.map(recordOf),
      authorities: authorities.map(recordOf),
      additionals: [],
    })
    return found.bytes?.(whole) ?? [whole]
  }
  const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  udp.on('message', (bytes, from) => {
    for (const one of handle(bytes, 'udp')) udp.send(one, from.port, from.address)
  })
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      const answers = handle(bytes.subarray(2), 'tcp')
      for (const one of answers) {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(one.length)
        socket.write(Buffer.concat([length, one]))
      }
      if (answers.length === 0) socket.end()
    })
  })
  await new Promise<void>((resolve) => tcp.listen(0, address, resolve))
  const { port } = tcp.address() as AddressInfo
  await new Promise<void>((resolve) => udp.bind(port, address, resolve))
  t.after(() => {
    udp.close()
    tcp.close()
    for (const socket of sockets) socket.destroy()
  })
  return { address, port, text: show({ address, port }), log }
}

/** Answers from rows: NXDOMAIN for names that have none. */
export const fromRows =
  (rows: readonly Row[]) =>
  ({ name, type }: Pick<FakeQuestion, 'name' | 'type'>): FakeAnswer => {
    const here = rows.filter(([owner]) => owner === name)
    const answers = here.filter(([, kind]) => kind === type)
    return { answers, rcode: here.length > 0 || rows.some(([owner]) => owner.endsWith(`.${name}`)) ? 0 : 3 }
  }

const recordOf = ([name, type, data]: Row) => ({
  name,
  type: types[type],
  class: classes.IN,
  ttl: 1,
  data: dataOf(type, data),
})

function dataOf(type: RowType, data: string): Buffer {
  if (type === 'A') return Buffer.from(data.split('.').map(Number))
  if (type === 'TXT') return encodeText(data)
  if (type === 'SOA') return Buffer.concat([encodeName(data), encodeName(`hostmaster.${data}`), Buffer.alloc(20)])
  if (type !== 'AAAA') return encodeName(data)
  if (!isIPv6(data)) throw new Error(`'${data}' is no IPv6 address`)
  const [left = [], right = []] = data.split('::').map((half) => half.split(':').filter(Boolean))
  const middle = Array(8 - left.length - right.length).fill('0')
  return Buffer.from([...left, ...middle, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex')
}
