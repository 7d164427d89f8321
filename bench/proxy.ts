// Stands between an ACME client and Pebble and counts: each request, with what the CA's answer asked the client to wait.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request } from 'node:https'
import { dirname, join } from 'node:path'
import { retryAfterSeconds } from '../src/acme/pace.ts'
import { listen, readBody } from '../test/ca/server.ts'
import type { Pebble } from '../test/support/pebble.ts'

export interface Exchange {
  readonly method: string
  readonly path: string
  readonly status: number
  /** Seconds of the answer's Retry-After, which Pebble gives as a number or as a date. */
  readonly retryAfter: number | undefined
  /** `status` of an ACME object. */
  readonly state: string | undefined
}

export interface Proxy {
  /** The CA's directory as seen through here. */
  readonly directoryUrl: string
  /** The exchanges since the last call. */
  take(): Exchange[]
  close(): Promise<void>
}

function stateOf(body: string): string | undefined {
  try {
    const { status } = JSON.parse(body) as { status?: unknown }
    return typeof status === 'string' ? status : undefined
  } catch {
    return undefined
  }
}

export async function startProxy(pebble: Pebble): Promise<Proxy> {
  const cert = readFileSync(pebble.tlsRoot)
  const key = readFileSync(join(dirname(pebble.tlsRoot), 'key.pem'))
  const agent = new Agent({ keepAlive: true, ca: cert })
  let exchanges: Exchange[] = []

  async function forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(incoming)
    const { method = 'GET', url: path = '/', headers } = incoming
    // The Host header goes on as it came: Pebble makes its URLs of it, so that all of them lead through here.
    const onward = request({ host: 'localhost', port: pebble.port, method, path, headers, agent }, async (answer) => {
      const text = (await readBody(answer)) ?? ''
      const status = answer.statusCode ?? 0
      const retryAfter = retryAfterSeconds(answer.headers['retry-after'], new Date())
      exchanges.push({ method, path, status, retryAfter, state: stateOf(text) })
      const { 'transfer-encoding': _, ...rest } = answer.headers
      response.writeHead(status, rest).end(text)
    })
    onward.on('error', () => response.destroy()).end(body)
  }

  const server = await listen(
    createServer({ cert, key }, (incoming, response) => void forward(incoming, response)),
    0,
  )
  return {
    directoryUrl: `https://localhost:${server.port}/dir`,
    take() {
      const taken = exchanges
      exchanges = []
      return taken
    },
    async close() {
      agent.destroy()
      await server.close()
    },
  }
}
