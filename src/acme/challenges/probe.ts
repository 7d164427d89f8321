// Asks at an address, as the CA will, whether somebody answers there from our folder: the responder that systemd starts,
// or another run.
import { randomBytes } from 'node:crypto'
import * as http from 'node:http'
import * as tls from 'node:tls'
import { hasCode } from '../../errors.ts'
import { type ListenAddress, nearAddress } from '../../job/listen-address.ts'
import type { Log } from '../../log.ts'
import { interruptedError } from '../../wait.ts'
import type { ListenKind, SharedAnswers } from './shared-answers.ts'
import { challengePath } from './token.ts'

/** `ours`: from our folder. `others`: somebody, but not so. `nobody`: no connection is taken. */
export type Found = 'ours' | 'others' | 'nobody'

export interface Place {
  readonly kind: ListenKind
  readonly address: ListenAddress
  readonly answers: SharedAnswers
  now(): Date
  readonly log: Log
}

/** Key and certificate for tls-alpn-01. What makes them is large, and needed for nothing else here. */
export async function tlsAnswer(identifier: string, keyAuthorization: string, now: Date): Promise<string> {
  const { alpnCertificate } = await import('../../certificate/tls-alpn.ts')
  return alpnCertificate(identifier, keyAuthorization, now)
}

/** Milliseconds: a responder may have to be started first, on a machine that starts a hundred things at once. */
const patience = 30_000

/** Presents something that nobody else can know, and looks whether it is there. Throws `later` (75) when aborted. */
export async function probe({ kind, address, answers, now, log }: Place, signal: AbortSignal): Promise<Found> {
  if (signal.aborted) throw interruptedError(signal)
  const secret = randomBytes(16).toString('hex')
  const name = kind === 'http' ? secret : `${secret}.acme.invalid`
  const content = kind === 'http' ? secret : await tlsAnswer(name, secret, now())
  const bound = AbortSignal.any([signal, AbortSignal.timeout(patience)])
  answers.put(name, content)
  try {
    const found = await (kind === 'http' ? askHttp : askTls)({ address, name, content, signal: bound })
    if (signal.aborted) throw interruptedError(signal)
    return found
  } finally {
    answers.remove(name, log)
  }
}

interface Question {
  readonly address: ListenAddress
  readonly name: string
  readonly content: string
  readonly signal: AbortSignal
}

const target = (address: ListenAddress) => {
  const near = nearAddress(address)
  return 'path' in near ? { socketPath: near.path } : near
}

/** A reset is the end of a listener that has just gone. */
const failure = (e: unknown): Found => (hasCode(e, 'ECONNREFUSED', 'ENOENT', 'ECONNRESET') ? 'nobody' : 'others')

const askHttp = ({ address, name, content, signal }: Question): Promise<Found> =>
  new Promise((resolve) => {
    const options = { ...target(address), path: challengePath(name), agent: false as const, signal }
    const request = http.get(options, (response) => {
      let text = ''
      response.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk
        if (text.length > content.length) request.destroy()
      })
      response.on('error', () => resolve('others'))
      response.on('close', () => resolve(text === content ? 'ours' : 'others'))
    })
    request.on('error', (e) => resolve(failure(e)))
  })

const askTls = ({ address, name, content, signal }: Question): Promise<Found> =>
  new Promise((resolve) => {
    const near = nearAddress(address)
    // The certificate is what is asked for: whose it is, not whether anybody has signed it.
    const socket = tls.connect(
      { ...near, servername: name, ALPNProtocols: ['acme-tls/1'], rejectUnauthorized: false },
      () => {
        const shown = socket.getPeerX509Certificate()?.toString().trim() ?? ''
        resolve(shown !== '' && content.includes(shown) ? 'ours' : 'others')
        socket.destroy()
      },
    )
    const stop = () => socket.destroy()
    signal.addEventListener('abort', stop, { once: true })
    socket.on('error', (e) => resolve(failure(e)))
    socket.on('close', () => {
      signal.removeEventListener('abort', stop)
      resolve('others')
    })
  })
