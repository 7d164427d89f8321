// One message to a name server and its answer (RFC 1035 §4.2, RFC 7766): by UDP from a port of the system's choice, on a
// socket that hears this server alone; by TCP where the answer does not fit.
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { hasCode } from '../../errors.ts'
import { ownSignal } from '../../wait.ts'
import type { ServerAddress } from './server-address.ts'

export interface ExchangeOptions<T> {
  /** What the bytes mean, or undefined when they are no answer to this: then it is waited on (UDP), or given up (TCP). */
  readonly accept: (bytes: Buffer) => T | undefined
  /** How long one attempt may take. */
  readonly seconds: number
  readonly signal: AbortSignal
}

/** No answer, with the reason as words: `no answer within 2 s`, `connection refused`. */
export class Silence extends Error {
  override readonly name = 'Silence'
  /** This machine has no way to the address, of IPv6 for instance. */
  readonly noRoute: boolean

  constructor(message: string, noRoute = false) {
    super(message)
    this.noRoute = noRoute
  }
}

const noRoute = ['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']

function silence(e: Error): Silence {
  if (hasCode(e, ...noRoute)) return new Silence('this machine has no route there', true)
  if (hasCode(e, 'ECONNREFUSED')) return new Silence('connection refused')
  return new Silence(e.message)
}

/** Throws Silence when no answer comes, and the signal's reason when it is aborted. */
export function overUdp<T>(server: ServerAddress, bytes: Buffer, options: ExchangeOptions<T>): Promise<T> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  return attempt(options, (settle, fail) => {
    socket.on('error', fail)
    socket.on('message', (message) => {
      const answer = options.accept(message)
      if (answer !== undefined) settle(answer)
    })
    socket.on('connect', () => socket.send(bytes))
    socket.connect(server.port, server.address)
    return () => socket.close()
  })
}

/** The same by TCP. */
export function overTcp<T>(server: ServerAddress, bytes: Buffer, options: ExchangeOptions<T>): Promise<T> {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return attempt(options, (settle, fail) => {
    let received = Buffer.alloc(0)
    const socket = connect(server.port, server.address, () => socket.write(Buffer.concat([length, bytes])))
    socket.on('error', fail)
    socket.on('end', () => fail(new Error('the connection was cut')))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE()) return
      const answer = options.accept(received.subarray(2, 2 + received.readUInt16BE()))
      if (answer === undefined) fail(new Error('it answers nonsense'))
      else settle(answer)
    })
    return () => socket.destroy()
  })
}

type Start<T> = (settle: (answer: T) => void, fail: (e: Error) => void) => () => void

function attempt<T>({ seconds, signal: whole }: ExchangeOptions<T>, start: Start<T>): Promise<T> {
  const signal = ownSignal(whole)
  return new Promise((resolve, reject) => {
    let isOver = false
    const over = (action: () => void) => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      close()
      action()
    }
    const stop = () => over(() => reject(signal.reason))
    const timer = setTimeout(() => over(() => reject(new Silence(`no answer within ${seconds} s`))), seconds * 1000)
    const close = start(
      (answer) => over(() => resolve(answer)),
      (e) => over(() => reject(silence(e))),
    )
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
