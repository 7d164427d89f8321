// The HTTPS side of the test CA: reads a request whole, hands it over, sends the answer as the answer wants to be sent.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './answer.ts'
import type { TlsIdentity } from './authority.ts'

export interface PlainRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly contentType: string | undefined
  readonly userAgent: string | undefined
  readonly body: string
}

const largestBody = 1_000_000

export interface Listening {
  readonly port: number
  /** Ends it with all its connections. */
  close(): Promise<void>
}

export interface HttpsListening extends Listening {
  /** How many connections have been set up, with TLS handshakes that went well. */
  connections(): number
}

/** Listens on 127.0.0.1 (`port` 0: any). */
export async function serve(
  { certificate, key }: TlsIdentity,
  port: number,
  respond: (request: PlainRequest) => Promise<Answer>,
): Promise<HttpsListening> {
  const listener: RequestListener = (request, response) => {
    void exchange(request, response, respond)
  }
  const server = createServer({ cert: certificate, key }, listener)
  let connections = 0
  server.on('secureConnection', () => {
    connections++
  })
  return { ...(await listen(server, port)), connections: () => connections }
}

/** Starts `server` on 127.0.0.1 (`port` 0: any). */
export async function listen(server: Server, port: number): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { port: (server.address() as AddressInfo).port, close }
}

/** The whole body, or undefined when it is larger than any honest one. */
export async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > largestBody) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  respond: (request: PlainRequest) => Promise<Answer>,
): Promise<void> {
  try {
    const body = await readBody(request)
    if (body === undefined) {
      request.socket.destroy()
      return
    }
    const answer = await respond({
      method: request.method ?? '',
      path: request.url ?? '',
      contentType: request.headers['content-type'],
      userAgent: request.headers['user-agent'],
      body,
    })
    send(answer, response)
  } catch (e) {
    // The client went away in the middle, or the CA has a fault of its own: the latter must be seen by the test.
    if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'text/plain' }).end(String(e))
  }
}

function send({ status, headers, body, transport }: Answer, response: ServerResponse): void {
  if (transport === 'mute') return
  if (transport === 'drop') {
    response.socket?.destroy()
    return
  }
  const bytes = Buffer.from(body)
  response.writeHead(status, status === 204 ? headers : { ...headers, 'Content-Length': bytes.length })
  if (transport === 'drip') {
    void drip(bytes, response)
    return
  }
  if (transport !== 'cut') {
    response.end(bytes)
    return
  }
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.socket?.destroy())
}

async function drip(bytes: Buffer, response: ServerResponse): Promise<void> {
  for (let i = 0; i < bytes.length && !response.destroyed; i++) {
    response.write(bytes.subarray(i, i + 1))
    await sleep(100, undefined, { ref: false })
  }
  response.end()
}
