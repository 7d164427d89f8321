// Whom the CA's own HTTPS is believed: Node's roots, private ones, and the machine's own store, which is read only when
// the others do not do.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import type { IssueRequest } from '../../src/acme/request.ts'
import { type Ca, startCa } from '../ca/ca.ts'
import { bench, failureOf, folder } from './request.ts'

let ca: Ca
before(async () => {
  ca = await startCa()
})
after(() => ca.close())

/** A dry run asks for the directory: one connection. */
const ask = (t: TestContext, changes: Partial<IssueRequest>) => {
  ca.reset()
  return issue(bench(t, ca.directoryUrl, { dryRun: true, plainHttp: false, ...changes }).req)
}

function store(t: TestContext, content: string = ca.rootPem): string {
  const path = join(folder(t), 'roots.pem')
  writeFileSync(path, content)
  return path
}

const broken = '-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n'

test('a root of the machine: found in SSL_CERT_FILE, though other certificates there are broken', async (t) => {
  const before = ca.connections
  await ask(t, { env: { SSL_CERT_FILE: store(t, `# all roots\n${broken}\n${ca.rootPem}`) } })
  assert.equal(ca.count(), 1)
  assert.equal(ca.connections - before, 1)
})

test('a root of the machine: found in the folders of SSL_CERT_DIR, among other things', async (t) => {
  const dir = folder(t)
  mkdirSync(join(dir, 'java'))
  writeFileSync(join(dir, 'README'), 'roots\n')
  writeFileSync(join(dir, '4bfab552.0'), ca.rootPem)
  await ask(t, { env: { SSL_CERT_FILE: store(t, ''), SSL_CERT_DIR: `/nowhere:${dir}` } })
  assert.equal(ca.count(), 1)
})

test('the store is added to the private roots, in a whole issuance, on one connection', async (t) => {
  ca.reset()
  ca.set({ validate: 'always' })
  const private_ = store(t, await otherRoot())
  const { req } = bench(t, ca.directoryUrl, { caCertificates: [private_], env: { SSL_CERT_FILE: store(t) } })
  const before = ca.connections
  assert.ok(await issue(req))
  assert.equal(ca.connections - before, 1)
})

test('the store is not read when a root is known: one that cannot be read harms nobody', async (t) => {
  await ask(t, { caCertificates: [store(t)], env: { SSL_CERT_FILE: '/nowhere/roots.pem' } })
  assert.equal(ca.count(), 1)
})

test('a root that nobody knows: unavailable, nothing is sent, and where was looked is told', async (t) => {
  const e = await failureOf(ask(t, { env: { SSL_CERT_FILE: store(t, await otherRoot()) } }))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /its TLS certificate comes from an unknown CA/)
  assert.match(e.hints.join('\n'), /caCertificates.*\n.*the machine's own roots in '.*roots\.pem' \(1\) do not know it/)
  assert.equal(ca.count(), 0)
})

test('a store that cannot be read: told as a hint', async (t) => {
  const env = { SSL_CERT_FILE: '/nowhere/roots.pem', SSL_CERT_DIR: '/nowhere/certs' }
  const e = await failureOf(ask(t, { env }))
  assert.match(e.hints.join('\n'), /'\/nowhere\/roots\.pem' of SSL_CERT_FILE cannot be read: no such file/)
  assert.match(e.hints.join('\n'), /'\/nowhere\/certs' of SSL_CERT_DIR cannot be read: no such file/)
})

test('a certificate for another name is not made good by any root', async (t) => {
  const { port } = new URL(ca.directoryUrl)
  const url = `https://[::ffff:127.0.0.1]:${port}/directory`
  const e = await failureOf(issue(bench(t, url, { env: { SSL_CERT_FILE: store(t) }, dryRun: true }).req))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /its TLS certificate is for another name/)
})

test('a broken certificate in a private file: config, named with its source', async (t) => {
  const path = store(t, ca.rootPem + broken)
  for (const changes of [{ caCertificates: [path] }, { env: { LEGO_CA_CERTIFICATES: path } }]) {
    const e = await failureOf(ask(t, changes))
    assert.equal(e.exitStatus, 78)
    assert.match(
      e.message,
      /^certificate 2 in file '.*roots\.pem' of (option|environment variable) '.*' cannot be read$/,
    )
  }
})

async function otherRoot(): Promise<string> {
  const other = await startCa()
  await other.close()
  return other.rootPem
}
