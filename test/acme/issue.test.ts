// Whole issuances at Pebble, the judge of the protocol. Assertions are on types, statuses and files, not on its prose.
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import * as http from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { type Issued, issue } from '../../src/acme/issue.ts'
import { AcmeProblem } from '../../src/acme/problem.ts'
import { splitPem } from '../../src/certificate/pem.ts'
import { keyTypes } from '../../src/config/config.ts'
import { type Pebble, pebbleMissing, serve, startPebble } from '../support/pebble.ts'
import { type Bench, bench, failureOf, folder } from './request.ts'

const skip = pebbleMissing ?? false

async function issued(b: Bench): Promise<Issued> {
  const result = await issue(b.req)
  assert.ok(result)
  result.stored()
  return result
}

/**
 * How many requests Pebble has handled, but for the polls of the order, whose number depends on how fast Pebble is. Known
 * when the question for the renewal information of the last certificate, the `issuances`th, has been logged.
 */
async function handled(pebble: Pebble, issuances: number): Promise<number> {
  await pebble.logged('GET /draft-ietf-acme-ari-03/renewalInfo/', issuances)
  return pebble.count('-> calling handler()') - pebble.count('POST /my-order/')
}

describe('at Pebble', { skip }, () => {
  let pebble: Pebble
  before(async () => {
    pebble = await startPebble()
  })
  after(() => pebble.stop())

  /** A request to this Pebble whose webroot is served for as long as the test runs. */
  async function served(t: TestContext, changes: Partial<Bench['req']> = {}) {
    const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot], ...changes })
    const web = await serve(b.webroot, pebble.httpPort)
    t.after(() => web.stop())
    return { ...b, web }
  }

  test('first issuance: an account is made, 11 requests and the polls; second: the account is used, 10', async (t) => {
    const b = await served(t)
    const { chain, keyPem, accountUrl } = await issued(b)
    const first = await handled(pebble, 1)
    // The last is for the renewal information.
    assert.equal(first, 11)
    assert.ok(pebble.count('POST /my-order/') >= 2)
    const leaf = new X509Certificate(chain[0] ?? '')
    assert.equal(leaf.subjectAltName, 'DNS:a.example, DNS:b.example')
    assert.ok(leaf.checkPrivateKey(createPrivateKey(keyPem)))
    assert.ok(chain.length >= 2 && leaf.checkIssued(new X509Certificate(chain[1] ?? '')))
    const root = new X509Certificate(splitPem(await pebble.issuerRoot())[0] ?? '')
    assert.ok(new X509Certificate(chain.at(-1) ?? '').verify(root.publicKey))
    assert.deepEqual(b.challengeFiles(), [])

    const json = readFileSync(b.req.account.json, 'utf8')
    assert.deepEqual(JSON.parse(json).registration.uri, accountUrl)
    assert.ok(
      json.startsWith('{\n\t"email": "a@example.com",\n\t"registration": {\n\t\t"body": {\n\t\t\t"status": "valid"'),
    )
    assert.match(readFileSync(b.req.account.key, 'utf8'), /^-----BEGIN EC PRIVATE KEY-----\n/)
    for (const path of [b.req.account.json, b.req.account.key]) assert.equal(statSync(path).mode & 0o777, 0o600)
    for (const path of [b.req.account.dir, join(b.req.account.dir, 'keys')])
      assert.equal(statSync(path).mode & 0o777, 0o700)

    const accounts = pebble.count('POST /sign-me-up')
    const withAccountLock = () => assert.fail('the account is there: nothing to lock')
    const again = await issued({ ...b, req: { ...b.req, withAccountLock } })
    assert.equal(again.accountUrl, accountUrl)
    assert.notEqual(again.keyPem, keyPem)
    assert.equal((await handled(pebble, 2)) - first, 10)
    assert.equal(pebble.count('POST /sign-me-up'), accounts)
  })

  test('every key type', async (t) => {
    const b = await served(t, { names: ['keys.example'] })
    for (const keyType of keyTypes) {
      // The account is that of the first: an rsa8192 key takes up to minutes, by luck, and one of them is enough.
      const result = await issued({ ...b, req: { ...b.req, keyType, deadlineSeconds: 400 } })
      const key = createPrivateKey(result.keyPem)
      const details = key.asymmetricKeyDetails ?? {}
      const found = details.modulusLength ? `rsa${details.modulusLength}` : details.namedCurve
      const expected = { ec256: 'prime256v1', ec384: 'secp384r1' }[keyType as string] ?? keyType
      assert.equal(found, expected)
    }
  })

  for (const keyType of ['ec384', 'rsa2048'] as const)
    test(`an account with an ${keyType} key`, async (t) => {
      const b = await served(t, { names: ['account.example'], keyType })
      await issued(b)
      assert.match(
        readFileSync(b.req.account.key, 'utf8'),
        keyType === 'ec384' ? /^-----BEGIN EC / : /^-----BEGIN RSA /,
      )
    })

  test('a name in A-labels', async (t) => {
    const b = await served(t, { names: ['xn--bcher-kva.example'], email: null })
    const { chain } = await issued(b)
    assert.equal(new X509Certificate(chain[0] ?? '').subjectAltName, 'DNS:xn--bcher-kva.example')
    assert.equal(JSON.parse(readFileSync(b.req.account.json, 'utf8')).email, '')
  })

  test('a lost account.json: the CA is asked for the account of the key', async (t) => {
    const b = await served(t, { names: ['lost.example'] })
    const first = await issued(b)
    const damages = [() => rmSync(b.req.account.json), () => writeFileSync(b.req.account.json, '{"email": "a@exam')]
    for (const damage of damages) {
      damage()
      const again = await issued(b)
      assert.equal(again.accountUrl, first.accountUrl)
      assert.equal(JSON.parse(readFileSync(b.req.account.json, 'utf8')).registration.uri, first.accountUrl)
    }
  })

  test('a blocked name: refused with its type, nothing is left in the webroot', async (t) => {
    const b = await served(t, { names: ['a.example', 'www.blocked-domain.example'] })
    const e = await failureOf(issue(b.req))
    assert.ok(e instanceof AcmeProblem)
    assert.equal(e.exitStatus, 76)
    assert.equal(e.type, 'urn:ietf:params:acme:error:rejectedIdentifier')
    assert.deepEqual(b.challengeFiles(), [])
  })

  test('a webroot that is not the one served: the reason of each name', async (t) => {
    const elsewhere = folder(t)
    const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot] })
    const web = await serve(elsewhere, pebble.httpPort)
    t.after(() => web.stop())
    const e = await failureOf(issue(b.req))
    assert.ok(e instanceof AcmeProblem)
    assert.equal(e.exitStatus, 76)
    assert.equal(e.type, 'urn:ietf:params:acme:error:unauthorized')
    assert.deepEqual(
      e.subproblems.map(({ name }) => name),
      ['a.example', 'b.example'],
    )
    assert.deepEqual(
      e.hints.slice(0, 2).map((hint) => hint.split(':')[0]),
      ['a.example', 'b.example'],
    )
    assert.deepEqual(b.challengeFiles(), [])
  })

  test('a signal in mid-order: challenges are gone', async (t) => {
    const stop = new AbortController()
    const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot], signal: stop.signal })
    const web = await serve(b.webroot, pebble.httpPort, () => stop.abort('SIGTERM'))
    t.after(() => web.stop())
    assert.equal((await failureOf(issue(b.req))).exitStatus, 75)
    assert.deepEqual(b.challengeFiles(), [])
  })

  test('a challenge that cannot be written: cannot write, and the CA is ready for more', async (t) => {
    const challenges = (b: Bench) => join(b.webroot, '.well-known', 'acme-challenge')
    const b = await served(t, {
      async withAccountLock(work) {
        rmSync(challenges(b), { recursive: true })
        writeFileSync(challenges(b), 'in the way')
        return work()
      },
    })
    const registrations = pebble.count('POST /sign-me-up')
    assert.equal((await failureOf(issue(b.req))).exitStatus, 73)
    // Pebble's log comes late: with the registration in it, all that earlier tests sent is, too.
    await pebble.logged('POST /sign-me-up', registrations + 1)
    const before = pebble.count('POST /chalZ/')
    rmSync(challenges(b))
    await issued(b)
    await pebble.logged('POST /chalZ/', before + 2)
    assert.equal(pebble.count('POST /chalZ/') - before, 2)
  })

  test('a dry run asks for the directory and nothing else', async (t) => {
    const b = await served(t, { dryRun: true })
    const looks = pebble.count('GET /dir')
    assert.equal(await issue(b.req), undefined)
    // With this one in the log, all of the earlier tests are in it, too.
    await pebble.logged('GET /dir', looks + 1)
    const start = pebble.count('-> calling handler()')
    assert.equal(await issue(b.req), undefined)
    await pebble.logged('-> calling handler()', start + 1)
    // Had it sent more, then before the log of the next run's directory.
    await issue(b.req)
    await pebble.logged('-> calling handler()', start + 2)
    assert.equal(pebble.count('-> calling handler()'), start + 2)
    assert.deepEqual(b.challengeFiles(), [])
    assert.throws(() => statSync(b.req.account.dir), { code: 'ENOENT' })
  })

  const trust: readonly [string, (root: string) => Partial<Bench['req']>][] = [
    ['caCertificates', (root) => ({ caCertificates: [root] })],
    ["the machine's own store", (root) => ({ env: { SSL_CERT_FILE: root } })],
    ['LEGO_CA_CERTIFICATES', (root) => ({ env: { LEGO_CA_CERTIFICATES: `${root}:${root}` } })],
  ]
  for (const [name, changes] of trust)
    test(`a private root by ${name}`, async (t) => {
      const b = bench(t, pebble.directoryUrl, { dryRun: true, ...changes(pebble.tlsRoot) })
      assert.equal(await issue(b.req), undefined)
    })

  test('a private root that nobody named: unavailable, the hint says where to put it', async (t) => {
    const e = await failureOf(issue(bench(t, pebble.directoryUrl).req))
    assert.equal(e.exitStatus, 69)
    assert.match(e.message, /'localhost:\d+': its TLS certificate comes from an unknown CA/)
    assert.match(e.hints.join('\n'), /caCertificates/)
  })

  test('a proxy: the name is looked up there, and the whole issuance goes through', async (t) => {
    const tunnels: string[] = []
    const proxy = http.createServer().on('connect', (request, client, head) => {
      tunnels.push(`${request.url} ${request.headers['proxy-authorization']}`)
      const upstream = connect(pebble.port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        upstream.write(head)
        upstream.pipe(client).pipe(upstream)
      })
      for (const socket of [client, upstream]) socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    t.after(() => proxy.close())
    const env = { https_proxy: `http://user:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}` }
    const directoryUrl = `https://pebble.test:${pebble.port}/dir`
    const b = await served(t, { env, directoryUrl })
    await issued(b)
    const credentials = `Basic ${Buffer.from('user:secret').toString('base64')}`
    assert.deepEqual([...new Set(tunnels)], [`pebble.test:${pebble.port} ${credentials}`])
    // Node closes a connection after an answer to HEAD without a length; apart from that the tunnel is kept.
    assert.ok(tunnels.length <= 3, `${tunnels.length} tunnels`)
  })
})

test('a CA that refuses nine nonces of ten is got through', { skip }, async (t) => {
  const pebble = await startPebble({ nonceReject: 90 })
  t.after(() => pebble.stop())
  const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot] })
  const web = await serve(b.webroot, pebble.httpPort)
  t.after(() => web.stop())
  await issued(b)
})

test('authorizations that are valid already need no challenge', { skip }, async (t) => {
  const pebble = await startPebble({ authzReuse: 100 })
  t.after(() => pebble.stop())
  const b = bench(t, pebble.directoryUrl, { caCertificates: [pebble.tlsRoot] })
  const web = await serve(b.webroot, pebble.httpPort)
  await issued(b)
  await web.stop()
  const challenges = pebble.count('POST /chalZ/')
  await issued(b)
  assert.equal(pebble.count('POST /chalZ/'), challenges)
})
