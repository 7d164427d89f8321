// http-01 as a CA does it (RFC 8555 section 8.3), with port 80 of every name on this machine.
import { get, type IncomingMessage } from 'node:http'
import { Problem } from './problem.ts'

/** What is there answers at once; but a machine may be busy with fifty runs that this process waits for. */
const timeoutMs = 120_000
const largestBody = 4096

/**
 * Fetches the challenge of `name` from 127.0.0.1:`port` and compares. Resolves to undefined when it is right, else to
 * the problem (`connection`, `unauthorized`). Never rejects, never takes longer than `timeoutMs`.
 */
export async function checkHttp01(
  name: string,
  token: string,
  expected: string,
  port: number,
): Promise<Problem | undefined> {
  const url = `http://${name}/.well-known/acme-challenge/${token}`
  let found: { status: number; body: string }
  try {
    found = await fetchFrom(port, name, `/.well-known/acme-challenge/${token}`)
  } catch (e) {
    const reason = e instanceof Error ? e.message : String(e)
    return new Problem(400, 'connection', `fetching ${url}: ${reason}`, { identifier: { type: 'dns', value: name } })
  }
  // RFC 8555 section 8.3: white space at the end is to be ignored.
  if (found.status === 200 && found.body.trimEnd() === expected) return undefined
  const detail = found.status === 200 ? 'the file holds something else' : `status ${found.status}`
  return new Problem(403, 'unauthorized', `invalid response from ${url}: ${detail}`, {
    identifier: { type: 'dns', value: name },
  })
}

async function fetchFrom(port: number, name: string, path: string): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(timeoutMs)
  const headers = { Host: name, 'User-Agent': 'test-ca-validation' }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers, signal, agent: false }, resolve).on('error', reject)
  })
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) {
    body += chunk
    if (body.length > largestBody) break
  }
  return { status: response.statusCode ?? 0, body }
}
