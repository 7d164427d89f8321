// http-01 with objects in a bucket, at a fake of S3's documented interface that computes each signature by itself.
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { once } from 'node:events'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { removeObject, type S3Options, s3Solver } from '../../src/acme/challenges/s3.ts'
import { openTransport } from '../../src/acme/transport.ts'
import { keptLog } from './request.ts'

const secret = 'canary/secret+key'
const variables = { AWS_ACCESS_KEY_ID: 'AKIDCANARY', AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: 'canary-token' }
const prefix = '.well-known/acme-challenge/'

interface Asked {
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

interface World {
  readonly objects: Map<string, string>
  readonly asked: Asked[]
  options(changes?: Readonly<Record<string, string>>, bucket?: string): S3Options
}

/** A bucket; `refuse` gives the error code for a request that is refused. */
async function world(t: TestContext, refuse: (asked: Asked) => [number, string] | undefined = () => undefined) {
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
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const transport = openTransport({ caCertificates: [], env: {} })
  t.after(() => {
    transport.close()
    server.close()
    server.closeAllConnections()
    assert.deepEqual(faults, [])
  })
  const base: Record<string, string> = {
    ...variables,
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
  }
  const made: World = {
    objects,
    asked,
    options: (changes = {}, bucket = 'bucket') => ({
      bucket,
      variable: (name) => ({ ...base, ...changes })[name],
      transport,
      userAgent: 'nixacme/0.0.0',
      now: () => new Date(),
      signal: AbortSignal.timeout(60_000),
      log: keptLog(),
    }),
  }
  return made
}

const one = { name: 'a.example', token: 'token_1-A', keyAuthorization: 'token_1-A.thumb', accountUrl: undefined }

test('put before the CA is asked for anything, shown, and removed', async (t) => {
  const { objects, asked, options } = await world(t)
  const solver = s3Solver(options())
  await solver.prepare()
  assert.deepEqual([objects.size, asked.map(({ method }) => method)], [0, ['PUT', 'DELETE']])
  const noted: unknown[] = []
  await solver.present([one], (traces) => {
    assert.equal(objects.size, 0, 'it is noted first')
    noted.push(...traces)
  })
  const key = `${prefix}token_1-A`
  assert.deepEqual([...objects], [[`/bucket/${key}`, 'token_1-A.thumb']])
  assert.equal(asked.at(-1)?.headers['x-amz-acl'], 'public-read')
  assert.deepEqual(noted, [{ kind: 'object', bucket: 'bucket', key }])
  await removeObject(key, options())
  await removeObject(key, options())
  assert.equal(objects.size, 0)
})

test('a bucket that takes no ACL is written to without', async (t) => {
  const hasAcl = ({ method, headers }: Asked) => method === 'PUT' && headers['x-amz-acl'] !== undefined
  const { objects, options } = await world(t, (asked) =>
    hasAcl(asked) ? [400, 'AccessControlListNotSupported'] : undefined,
  )
  await s3Solver(options()).present([one], () => {})
  assert.equal(objects.size, 1)
})

test('what S3 refuses is told without a credential, and an object that is gone is no fault', async (t) => {
  const { options } = await world(t, ({ method }) =>
    method === 'PUT' ? [403, `AccessDenied ${secret}`] : [404, 'NoSuchKey'],
  )
  await assert.rejects(Promise.resolve(s3Solver(options()).prepare()), (e: Error) => {
    assert.match(e.message, /S3 answered .*status 403/)
    assert.doesNotMatch(JSON.stringify(e, Object.getOwnPropertyNames(e)), /canary/i)
    assert.match(JSON.stringify(e), /s3:PutObject/)
    return true
  })
  await removeObject(`${prefix}x`, options())
})

test('only challenges are removed', async (t) => {
  const { options, asked } = await world(t)
  for (const key of ['index.html', `${prefix}../index.html`, `${prefix}`, `x/${prefix}a`])
    await assert.rejects(removeObject(key, options()), { kind: 'config' })
  assert.equal(asked.length, 0)
})

test('variables that are missing are named', async (t) => {
  const { options } = await world(t)
  for (const [changes, named] of [
    [{ AWS_SECRET_ACCESS_KEY: '' }, /AWS_SECRET_ACCESS_KEY/],
    [{ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }, /AWS_ACCESS_KEY_ID/],
    [{ AWS_REGION: '', AWS_ENDPOINT_URL_S3: '' }, /AWS_REGION/],
  ] as const)
    await assert.rejects(Promise.resolve(s3Solver(options(changes)).prepare()), { kind: 'config', message: named })
})

test('where a bucket is', async (t) => {
  const { options } = await world(t)
  const asked: string[] = []
  const urlOf = async (changes: Record<string, string>, bucket?: string): Promise<string> => {
    const { transport, ...rest } = options(changes, bucket)
    const route = (url: string) => {
      asked.push(url)
      throw new Error('far enough')
    }
    await assert.rejects(removeObject(`${prefix}t`, { ...rest, transport: { ...transport, route } }))
    return asked[0] === undefined ? '' : (asked.splice(0)[0]?.replace(`${prefix}t`, '') ?? '')
  }
  const amazon = { AWS_ENDPOINT_URL_S3: '' }
  const table: readonly (readonly [Record<string, string>, string, string])[] = [
    [amazon, 'bucket', 'https://bucket.s3.eu-west-1.amazonaws.com/'],
    [
      { ...amazon, AWS_REGION: '', AWS_DEFAULT_REGION: 'cn-north-1' },
      'bucket',
      'https://bucket.s3.cn-north-1.amazonaws.com.cn/',
    ],
    [amazon, 'www.example.com', 'https://s3.eu-west-1.amazonaws.com/www.example.com/'],
    [
      { AWS_ENDPOINT_URL_S3: '', AWS_ENDPOINT_URL: 'https://s3.example.com/' },
      'bucket',
      'https://bucket.s3.example.com/',
    ],
    [
      { AWS_ENDPOINT_URL_S3: 'https://s3.example.com', AWS_S3_FORCE_PATH_STYLE: 'true' },
      'bucket',
      'https://s3.example.com/bucket/',
    ],
    [{ AWS_ENDPOINT_URL_S3: 'http://[::1]:9000/x/' }, 'bucket', 'http://[::1]:9000/x/bucket/'],
    [{ AWS_ENDPOINT_URL_S3: 'http://localhost:9000' }, 'bucket', 'http://localhost:9000/bucket/'],
  ]
  for (const [changes, bucket, url] of table) assert.equal(await urlOf(changes, bucket), url)
})
