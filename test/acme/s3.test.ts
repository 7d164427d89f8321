// http-01 with objects in a bucket.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { removeObject, type S3Options, s3Solver } from '../../src/acme/challenges/s3.ts'
import { openTransport } from '../../src/acme/transport.ts'
import { type Asked, type Bucket, prefix, secret, startBucket, variables } from './fake-s3.ts'
import { keptLog } from './request.ts'

interface World extends Pick<Bucket, 'objects' | 'asked'> {
  options(changes?: Readonly<Record<string, string>>, bucket?: string): S3Options
}

/** A bucket; `refuse` gives the error code for a request that is refused. */
async function world(t: TestContext, refuse?: Parameters<typeof startBucket>[1]) {
  const { objects, asked, url } = await startBucket(t, refuse)
  const transport = openTransport({ caCertificates: [], env: {} })
  t.after(() => transport.close())
  const base: Record<string, string> = {
    ...variables,
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL_S3: url,
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
