// A bucket at a fake of S3's documented interface that computes each signature by itself. What is in it, anybody may read.
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export const secret = 'canary/secret+key'
export const variables = {
  AWS_ACCESS_KEY_ID: 'AKIDCANARY',
  AWS_SECRET_ACCESS_KEY: secret,
  AWS_SESSION_TOKEN: 'canary-token',
}
export const prefix = '.well-known/acme-challenge/'

export interface Asked {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** Signature Version 4, of what was received. */
function assertSigned({ method, path, headers, text }: Asked, region: string): void {
  const [, day = '', names = '', signature] =
    new RegExp(
      `^AWS4-HMAC-SHA256 Credential=AKIDCANARY/(\\d{8})/${region}/s3/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`,
    ).exec(headers.authorization ?? '') ?? []
  const signed = names.split(';')
  for (const name of Object.keys(headers).filter((one) => one === 'host' || one.startsWith('x-amz-')))
    assert.ok(signed.includes(name), `'${name}' is not signed`)
  const hash = sha256(text)
  assert.equal(headers['x-amz-content-sha256'], hash)
  const lines = signed.map((name) => `${name}:${headers[name]}\n`).join('')
  const canonical = [method, path, '', lines, names, hash].join('\n')
  const time = String(headers['x-amz-date'])
  assert.ok(time.startsWith(day))
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`)
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`
  assert.equal(signature, hmac(key, toSign).toString('hex'))
}

const error = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`

export interface Bucket {
  /** By path: `/bucket/<key>`. */
  readonly objects: Map<string, string>
  readonly asked: Asked[]
  /** `http://127.0.0.1:<port>`. */
  readonly url: string
}

/** Starts it, at a free port unless told; `refuse` gives the error code for a request that is refused. It ends with the test. */
export async function startBucket(
  t: TestContext,
  refuse: (asked: Asked) => [number, string] | undefined = () => undefined,
  port = 0,
): Promise<Bucket> {
  const objects = new Map<string, string>()
  const asked: Asked[] = []
  const faults: unknown[] = []
  const server = http
    .createServer((request, response) => {
      let text = ''
      request.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      request.on('end', () => {
        const one = { method: request.method ?? '', host: request.headers.host ?? '', path: request.url ?? '', text }
        const whole = { ...one, headers: request.headers }
        asked.push(whole)
        // As a web server before the bucket, which is what a CA comes to.
        const found = one.method === 'GET' ? objects.get(`/bucket${one.path}`) : undefined
        if (one.method === 'GET') return response.writeHead(found === undefined ? 404 : 200).end(found)
        try {
          assertSigned(whole, 'eu-west-1')
          assert.equal(request.headers['x-amz-security-token'], 'canary-token')
          if (one.method === 'PUT') assert.equal(request.headers['content-type'], 'application/octet-stream')
        } catch (e) {
          faults.push(e)
        }
        const [status, code] = refuse(whole) ?? []
        if (status) return response.writeHead(status).end(error(code ?? ''))
        if (one.method === 'PUT') objects.set(one.path, text)
        else objects.delete(one.path)
        return response.writeHead(one.method === 'PUT' ? 200 : 204).end()
      })
    })
    .listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
    assert.deepEqual(faults, [])
  })
  return { objects, asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
