// The test CA seen by real clients: a whole issuance with acme-client and lego, and what a test reads off it.
import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import * as acme from 'acme-client'
import { needs } from '../support/needs.ts'
import { run, temporaryDir } from '../support/process.ts'
import { type Ca, startCa } from './ca.ts'
import { pemsOf, problemType, RawClient } from './raw.ts'
import { serveWebroot } from './webroot.ts'

let ca: Ca

before(async () => {
  ca = await startCa()
  // acme-client's own retries sleep for seconds; nothing here should need one.
  Object.assign(acme.axios.defaults, { acmeSettings: { retryMaxAttempts: 0, retryDefaultDelay: 0 } })
  acme.axios.defaults.httpsAgent = new Agent({ ca: ca.rootPem })
})
after(() => ca.close())
beforeEach(() => {
  ca.reset()
  ca.forget()
})

async function webrootOf(t: TestContext): Promise<{ dir: string; challenges: string }> {
  const dir = temporaryDir(t)
  const web = await serveWebroot(dir)
  t.after(web.close)
  ca.set({ httpPort: web.port })
  return { dir, challenges: join(dir, '.well-known', 'acme-challenge') }
}

interface Wishes {
  readonly names: string[]
  readonly key?: Buffer | string
  /** Where challenge files go; nowhere without it. */
  readonly challenges?: string
}

async function obtain({ names, key, challenges }: Wishes): Promise<string> {
  const accountKey = await acme.crypto.createPrivateEcdsaKey()
  const client = new acme.Client({ directoryUrl: ca.directoryUrl, accountKey, backoffMin: 10 })
  const [, csr] = await acme.crypto.createCsr(
    { commonName: names[0] ?? '', altNames: names },
    key ?? (await acme.crypto.createPrivateEcdsaKey()),
  )
  if (challenges !== undefined) mkdirSync(challenges, { recursive: true })
  return client.auto({
    csr,
    email: 'hostmaster@example.test',
    termsOfServiceAgreed: true,
    skipChallengeVerification: true,
    challengePriority: ['http-01'],
    challengeCreateFn: async (_, { token }, content) => {
      if (challenges !== undefined) writeFileSync(join(challenges, token), content)
    },
    challengeRemoveFn: async (_, { token }) => {
      if (challenges !== undefined) rmSync(join(challenges, token))
    },
  })
}

test('acme-client gets a certificate with real http-01 validation', async (t) => {
  const { challenges } = await webrootOf(t)
  const pems = pemsOf(await obtain({ names: ['example.test', 'www.example.test'], challenges }))
  const [leaf, intermediate] = pems.map((pem) => new X509Certificate(pem))
  assert.equal(pems.length, 2)
  assert.ok(leaf && intermediate)
  assert.equal(leaf.subjectAltName, 'DNS:example.test, DNS:www.example.test')
  assert.ok(leaf.verify(intermediate.publicKey))
  assert.ok(intermediate.verify(new X509Certificate(ca.issuerRootPem).publicKey))
  assert.equal(Date.parse(leaf.validTo) - Date.parse(leaf.validFrom), 90 * 86_400_000)
  const { accounts, orders, certificates, requests } = ca.stats
  assert.deepEqual({ accounts, orders, certificates }, { accounts: 1, orders: 1, certificates: 1 })
  // acme-client polls the challenge, not the authorization: one POST and one look for each name.
  assert.equal(requests.challenge, 4)
  assert.equal(requests.finalize, 1)
  assert.equal(requests.certificate, 1)
  assert.equal(ca.count(), ca.requests.length)
  const newOrder = ca.requests.find(({ kind }) => kind === 'newOrder')
  assert.deepEqual(newOrder?.payload, {
    identifiers: [
      { type: 'dns', value: 'example.test' },
      { type: 'dns', value: 'www.example.test' },
    ],
  })
  assert.match(newOrder?.kid ?? '', /\/account\/\d+$/)
})

test('an RSA certificate may be used for key encipherment', async (t) => {
  const { challenges } = await webrootOf(t)
  const pem = await obtain({ names: ['rsa.test'], key: await acme.crypto.createPrivateRsaKey(2048), challenges })
  const text = await run('openssl', ['x509', '-noout', '-text'], { input: pem })
  assert.match(text.stdout, /Digital Signature, Key Encipherment/)
})

test('a wrong file on the web server makes the authorization and the order invalid', async (t) => {
  const { challenges } = await webrootOf(t)
  mkdirSync(challenges, { recursive: true })
  const client = new RawClient(ca)
  await client.register()
  const path = await client.order('nothing-there.test')
  const { json } = await client.post(path)
  assert.equal(json['status'], 'invalid')
  assert.match(JSON.stringify(json['error']), /unauthorized.*status 404/)
  const refused = await client.post(`${path}/finalize`, { csr: 'AAAA' })
  assert.equal(problemType(refused), 'orderNotReady')
  assert.equal(ca.stats.certificates, 0)
})

test('a web server that is not there is a connection problem', async () => {
  ca.set({ httpPort: 1 })
  const client = new RawClient(ca)
  await client.register()
  const { json } = await client.post(await client.order('example.test'))
  assert.match(JSON.stringify(json['error']), /error:connection.*ECONNREFUSED/)
})

test('lifetime and chain change while the CA runs', async () => {
  ca.set({ validate: 'always', chain: 'with-root' })
  ca.lifetime = { notBeforeOffsetSeconds: -70 * 86_400, seconds: 90 * 86_400 }
  const before = Date.now()
  const pems = pemsOf(await obtain({ names: ['example.test'] }))
  assert.equal(pems.length, 3)
  const left = Date.parse(new X509Certificate(pems[0] ?? '').validTo) - before
  assert.ok(Math.abs(left - 20 * 86_400_000) < 60_000, `${left} ms left`)
  ca.set({ chain: 'leaf-only', lifetime: { notBeforeOffsetSeconds: 0, seconds: 8 } })
  const [short, ...rest] = pemsOf(await obtain({ names: ['example.test'] }))
  assert.equal(rest.length, 0)
  const leaf = new X509Certificate(short ?? '')
  assert.equal(Date.parse(leaf.validTo) - Date.parse(leaf.validFrom), 8000)
})

test('lego gets a certificate from the test CA', async (t) => {
  if (!needs(t, 'lego')) return
  const { dir } = await webrootOf(t)
  const root = join(dir, 'root.pem')
  const state = join(dir, 'lego')
  writeFileSync(root, ca.rootPem)
  const account = ['--accept-tos', '--email', 'hostmaster@example.test', '--path', state, '--server', ca.directoryUrl]
  const names = ['-d', 'lego.test', '-d', 'www.lego.test']
  const lego = await run('lego', [...account, ...names, '--http', '--http.webroot', dir, 'run', '--must-staple'], {
    env: { LEGO_CA_CERTIFICATES: root },
    cwd: dir,
  })
  assert.equal(lego.status, 0, lego.stderr)
  const crt = readFileSync(join(state, 'certificates', 'lego.test.crt'), 'utf8')
  const leaf = new X509Certificate(crt)
  assert.equal(leaf.subjectAltName, 'DNS:lego.test, DNS:www.lego.test')
  const key = readFileSync(join(state, 'certificates', 'lego.test.key'))
  assert.ok(leaf.checkPrivateKey(createPrivateKey(key)))
  const issuerRoot = join(dir, 'issuer-root.pem')
  writeFileSync(issuerRoot, ca.issuerRootPem)
  writeFileSync(join(dir, 'chain.pem'), crt)
  const verified = await run('openssl', ['verify', '-CAfile', issuerRoot, '-untrusted', 'chain.pem', 'chain.pem'], {
    cwd: dir,
  })
  assert.equal(verified.stdout, 'chain.pem: OK\n', verified.stderr)
  const text = await run('openssl', ['x509', '-noout', '-text', '-in', 'chain.pem'], { cwd: dir })
  assert.match(text.stdout, /TLS Feature/)
  assert.equal(ca.stats.accounts, 1)
})
