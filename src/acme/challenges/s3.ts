// http-01 with objects in a bucket that a web server or CDN serves: Amazon S3, and what speaks like it (option s3Bucket).
// Key and ACL are lego's; https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html.
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { NixacmeError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { awsCredentials } from '../aws-credentials.ts'
import { type AwsCredentials, awsHeaders } from '../aws-signature.ts'
import { Api, ApiRefusal } from '../dns/api.ts'
import { endpointOf } from '../dns/endpoint.ts'
import { missing } from '../dns/provider.ts'
import { parseXml, textAt } from '../dns/xml.ts'
import type { Transport } from '../transport.ts'
import type { Solver } from './solver.ts'
import { challengePath, tokenOf } from './token.ts'

export interface S3Options {
  readonly bucket: string
  /** The value of a variable, by Amazon's names for it. */
  readonly variable: (name: string) => string | undefined
  readonly transport: Transport
  readonly userAgent: string
  now(): Date
  readonly signal: AbortSignal
  readonly log: Log
}

/** Kept as long as a CA looks: what caches on the way keep longer is of no use to anybody. */
const objectHeaders = { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' }

/** A host name of its own is only had by a bucket that is one label of it. */
const isLabel = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/

/** The key of a challenge's object. */
const keyFor = (token: string): string => challengePath(token).slice(1)

/** Throws `config` (78) for variables that are missing or make no sense, when it is first used. */
export function s3Solver(options: S3Options): Solver {
  const { bucket } = options
  let opened: Bucket | undefined
  const open = () => {
    opened ??= new Bucket(options)
    return opened
  }
  return {
    type: 'http-01',
    hint: `the CA must be able to fetch 'http://<name>/.well-known/acme-challenge/<token>' on port 80, from bucket '${bucket}'`,

    async prepare() {
      // One name for all runs: what a killed one leaves is gone with the next.
      const probe = keyFor('nixacme-probe')
      await open().put(probe, randomBytes(8).toString('hex'))
      await open().remove(probe)
    },

    async present(presentations, note) {
      note(presentations.map(({ token }) => ({ kind: 'object', bucket, key: keyFor(token) })))
      for (const { token, keyAuthorization } of presentations) await open().put(keyFor(token), keyAuthorization)
    },
  }
}

/** Removes an object that a solver has noted; it being gone is no fault. Throws `config` (78) for what is no challenge. */
export async function removeObject(key: string, options: S3Options): Promise<void> {
  if (tokenOf(`/${key}`) === undefined) throw new NixacmeError('config', 'it is no challenge')
  await new Bucket(options).remove(key)
}

class Bucket {
  readonly #options: S3Options
  readonly #api: Api
  readonly #credentials: AwsCredentials
  readonly #region: string
  /** With a slash at the end: keys follow. */
  readonly #url: string
  readonly #isOnPlainHttp: boolean
  /** Whether objects are made readable to all by an ACL; newer buckets take none, and have a policy instead. */
  #withAcl = true

  constructor(options: S3Options) {
    const { transport, userAgent, now, signal, variable } = options
    const credentials = awsCredentials(variable)
    if (!credentials) throw missing(['AWS_ACCESS_KEY_ID', 'AWS_SHARED_CREDENTIALS_FILE'])
    const { accessKeyId, secretAccessKey, sessionToken = '' } = credentials
    const secrets = () => [accessKeyId, secretAccessKey, sessionToken]
    this.#options = options
    this.#credentials = credentials
    this.#api = new Api({ title: 'S3', transport, userAgent, now, signal, secrets })
    const place = placeOf(options, this.#api)
    this.#region = place.region
    this.#url = place.url
    this.#isOnPlainHttp = place.isPlain
  }

  /** Throws as `Api.send`. */
  async put(key: string, text: string): Promise<void> {
    try {
      await this.#send('PUT', key, text)
    } catch (e) {
      if (!this.#withAcl || !refusesAcl(e)) throw hinted(e)
      this.#withAcl = false
      await this.#send('PUT', key, text)
    }
  }

  async remove(key: string): Promise<void> {
    await this.#send('DELETE', key).catch((e) => {
      throw hinted(e)
    })
  }

  async #send(method: 'PUT' | 'DELETE', key: string, text?: string): Promise<void> {
    const url = `${this.#url}${key}`
    const acl: Record<string, string> = this.#withAcl ? { 'X-Amz-Acl': 'public-read' } : {}
    const headers = text === undefined ? {} : { ...objectHeaders, ...acl }
    const body = text === undefined ? {} : { body: text }
    const request = { method, url, headers, ...body, service: 's3', region: this.#region }
    const signed = awsHeaders(request, this.#credentials, this.#options.now())
    await this.#api.send({
      method,
      url,
      headers: { ...headers, ...signed },
      ...(text === undefined ? {} : { text }),
      expected: method === 'DELETE' ? [404] : [],
      mayBePlain: this.#isOnPlainHttp,
    })
  }
}

const permissions = 's3:PutObject and s3:DeleteObject, and s3:PutObjectAcl where the bucket takes ACLs'

/** What to do about a refusal. */
const hinted = (e: unknown): unknown =>
  e instanceof ApiRefusal
    ? new NixacmeError('refused', e.message, {
        hints: [`check the variables AWS_… of this certificate, and their permissions: ${permissions}`],
      })
    : e

/** S3's own word for a bucket whose objects all belong to its owner. */
const refusesAcl = (e: unknown): boolean =>
  e instanceof ApiRefusal && textAt(parseXml(e.text), 'Code') === 'AccessControlListNotSupported'

/** Where the bucket is: Amazon's host of its own for it, or what the endpoint says. */
function placeOf({ bucket, variable, log }: S3Options, api: Api) {
  const region = variable('AWS_REGION') || variable('AWS_DEFAULT_REGION') || undefined
  const endpoint = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((name) => variable(name))
  if (endpoint === undefined && region === undefined) throw missing(['AWS_REGION', 'AWS_ENDPOINT_URL_S3'])
  const domain = region?.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const base = new URL(
    endpoint === undefined ? `https://s3.${region}.${domain}` : endpointOf({ variable, log, api }, endpoint).url,
  )
  const isPathStyle = /^(1|true)$/i.test(variable('AWS_S3_FORCE_PATH_STYLE') ?? '')
  const hasOwnHost = !isPathStyle && isLabel.test(bucket) && isName(base.hostname)
  const host = hasOwnHost ? `${bucket}.${base.host}` : base.host
  const path = base.pathname.replace(/\/+$/, '')
  return {
    region: region ?? 'us-east-1',
    url: `${base.protocol}//${host}${path}/${hasOwnHost ? '' : `${encodeURIComponent(bucket)}/`}`,
    isPlain: base.protocol === 'http:',
  }
}

/** Of which others can be made by putting a label before it. */
const isName = (hostname: string): boolean =>
  isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && hostname.includes('.') && !hostname.endsWith('.localhost')
