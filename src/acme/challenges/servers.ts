// What answers a CA: http-01 (RFC 8555 §8.3) and tls-alpn-01 (RFC 8737), and nothing else. Whoever connects is a stranger:
// all is bounded, nothing that was asked is repeated in an answer, and the name that a client says it asks for is of no use.
import * as http from 'node:http'
import type { Server, Socket } from 'node:net'
import * as tls from 'node:tls'
import type { ListenKind } from './shared-answers.ts'
import { sniName } from './sni.ts'
import { tokenOf } from './token.ts'

/** What is to be answered, by the name of the file that it would be. */
export type Find = (name: string) => string | undefined

/** A server, not listening yet, and the connections that it has. */
export interface ChallengeServer {
  readonly server: Server
  /** How many connections are open. */
  readonly connections: () => number
  /** Ends listening and every connection. */
  close(): Promise<void>
}

const alpnProtocol = 'acme-tls/1'

/** Milliseconds for a whole request, or a handshake. */
const patience = 10_000
/** A CA looks from a few places at once. */
const mostConnections = 256
const largestHeader = 8192

export function challengeServer(kind: ListenKind, find: Find): ChallengeServer {
  const server = kind === 'http' ? httpServer(find) : tlsServer(find)
  server.maxConnections = mostConnections
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return {
    server,
    connections: () => open.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

function httpServer(find: Find): Server {
  const options = {
    maxHeaderSize: largestHeader,
    headersTimeout: patience,
    requestTimeout: patience,
    keepAlive: false,
    connectionsCheckingInterval: 1000,
  }
  const server = http.createServer(options, (request, response) => {
    const { method, url = '' } = request
    const token = method === 'GET' || method === 'HEAD' ? tokenOf(url) : undefined
    const answer = token === undefined ? undefined : find(token)
    response.writeHead(answer === undefined ? 404 : 200, {
      'Content-Type': answer === undefined ? 'text/plain' : 'application/octet-stream',
      'Content-Length': Buffer.byteLength(answer ?? ''),
      Connection: 'close',
    })
    // A body is neither read nor waited for.
    response.end(answer, () => request.socket.destroySoon())
  })
  server.on('clientError', (_, socket) => socket.destroy())
  // Without a request nothing ends a connection.
  server.on('connection', (socket) => socket.setTimeout(patience, () => socket.destroy()))
  return server
}

function tlsServer(find: Find): Server {
  const server = tls.createServer({
    minVersion: 'TLSv1.2',
    handshakeTimeout: patience,
    ALPNCallback: ({ protocols }) => (protocols.includes(alpnProtocol) ? alpnProtocol : undefined),
    SNICallback(name, done) {
      // Without a context the handshake fails, there being no other certificate.
      done(null, contextFor(name, find))
    },
  })
  // The CA has seen what it came for (RFC 8737 §3); whoever asked for no protocol gets none.
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    socket.end(() => socket.destroy())
  })
  server.on('tlsClientError', (_, socket) => socket.destroy())
  return server
}

function contextFor(name: string, find: Find): tls.SecureContext | undefined {
  const file = sniName(name)
  try {
    const pem = file === undefined ? undefined : find(file)
    return pem === undefined ? undefined : tls.createSecureContext({ key: pem, cert: pem })
  } catch {
    // A file that cannot be read answers nobody; whoever has put it there is told so by the CA.
    return undefined
  }
}
