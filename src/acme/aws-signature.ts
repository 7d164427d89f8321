// Requests to Amazon's services, and to those that speak like them, are signed: Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
import { createHash, createHmac } from 'node:crypto'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of credentials that were lent for a time. */
  readonly sessionToken?: string | undefined
}

export interface AwsRequest {
  readonly method: string
  readonly url: string
  /** Signed with the rest; each must be sent exactly so. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** As in the host name: `route53`, `s3`, `sts`. */
  readonly service: string
  readonly region: string
}

/** The headers that the request needs beside its own: date, authorization, and what the service wants to see signed. */
export function awsHeaders(request: AwsRequest, credentials: AwsCredentials, now: Date): Record<string, string> {
  const { method, service, region, body = '' } = request
  const url = new URL(request.url)
  const time = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const hash = sha256(body)
  const added = {
    'X-Amz-Date': time,
    // S3 alone insists on the hash of the body as a header.
    ...(service === 's3' && { 'X-Amz-Content-Sha256': hash }),
    ...(credentials.sessionToken && { 'X-Amz-Security-Token': credentials.sessionToken }),
  }
  const headers = Object.entries({ ...request.headers, ...added, Host: url.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replaceAll(/\s+/g, ' ')] as const)
    .sort(byName)
  const names = headers.map(([name]) => name).join(';')
  const lines = headers.map(([name, value]) => `${name}:${value}\n`).join('')
  const canonical = [method, pathOf(url, service), queryOf(url), lines, names, hash].join('\n')
  const scope = [time.slice(0, 8), region, service, 'aws4_request'].join('/')
  const signature = hmac(
    keyOf(scope, credentials.secretAccessKey),
    ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n'),
  )
  const credential = `${credentials.accessKeyId}/${scope}`
  return {
    ...added,
    Authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature.toString('hex')}`,
  }
}

/** Percent encoding as the signature wants it, which is RFC 3986's: only `A-Z a-z 0-9 - . _ ~` stay. */
export const awsEncoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest()

const keyOf = (scope: string, secret: string): string | Uint8Array =>
  scope.split('/').reduce<string | Uint8Array>(hmac, `AWS4${secret}`)

const byName = ([a]: readonly [string, string], [b]: readonly [string, string]) => (a < b ? -1 : a > b ? 1 : 0)

/** S3 takes the path encoded once, all other services twice. */
function pathOf({ pathname }: URL, service: string): string {
  const once = pathname.split('/').map((part) => awsEncoded(decodeURIComponent(part)))
  return (service === 's3' ? once : once.map(awsEncoded)).join('/')
}

const queryOf = ({ searchParams }: URL): string =>
  [...searchParams]
    .map(([name, value]) => [awsEncoded(name), awsEncoded(value)] as const)
    .sort(([a, x], [b, y]) => byName([a, ''], [b, '']) || (x < y ? -1 : x > y ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
