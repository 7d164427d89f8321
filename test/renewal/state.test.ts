// What is stored, as real tools leave it and as accidents leave it: taken over where it is whole, called by its flaw where
// it is not, and never changed by being read.
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NixacmeError } from '../../src/errors.ts'
import { pathsOf } from '../../src/job/job.ts'
import type { CertPaths } from '../../src/job/paths.ts'
import { emptyMemory } from '../../src/renewal/memory.ts'
import { pendingDir, readState, type StoredState } from '../../src/renewal/state.ts'
import { assemble, foreignKey, makeSet, rootPem } from '../support/certificates.ts'
import { temporaryDir } from '../support/process.ts'
import { makeJob } from './support/lock-job.ts'
import { accountJson, writeAccount, writeCertificate, writeMemory } from './support/stored.ts'

const names = ['example.com']
const set = await makeSet({ names })
const job = makeJob()

/** A state in order, in a folder of its own. */
function inOrder(t: TestContext): CertPaths {
  const dir = temporaryDir(t)
  const paths = pathsOf({ state: dir, runtime: join(dir, 'run'), jobs: join(dir, 'jobs') }, job)
  writeCertificate(paths, job, set)
  writeAccount(paths)
  return paths
}

const whatOf = ({ candidate }: StoredState): string =>
  candidate.kind === 'usable' ? 'usable' : candidate.kind === 'missing' ? candidate.what : candidate.reason

const fails = (kind: string, path: string) => (e: unknown) =>
  e instanceof NixacmeError && e.kind === kind && e.message.includes(`'${path}'`)

test("lego's files in the places of a NixOS machine are the state", (t) => {
  const state = temporaryDir(t)
  const put = (path: string, content: string) => {
    fs.mkdirSync(dirname(join(state, path)), { recursive: true })
    fs.writeFileSync(join(state, path), content)
  }
  put('.lego/example.com/549839e4ae8616de7ad5/example.com.key', set.key)
  put('.lego/example.com/549839e4ae8616de7ad5/example.com.crt', set.fullchain)
  put('.lego/example.com/549839e4ae8616de7ad5/example.com.issuer.crt', set.issuers)
  put('.lego/example.com/549839e4ae8616de7ad5/domainhash.txt', 'b732c9401d3417458f52\n')
  const account = '.lego/accounts/1ccf607d9aa280e9af00/acme-v02.api.letsencrypt.org/hostmaster@example.test'
  put(`${account}/account.json`, accountJson('hostmaster@example.test'))
  put(`${account}/keys/hostmaster@example.test.key`, 'a key')
  const got = readState(pathsOf({ state, runtime: '/run/acme', jobs: '/jobs' }, job))
  assert.equal(whatOf(got), 'usable')
  assert.equal(got.account, 'registered')
  assert.equal(got.domainHash, 'b732c9401d3417458f52')
  assert.deepEqual(got.memory, emptyMemory)
})

test("a wildcard's files are found under lego's underscore, its names in lower case", async (t) => {
  const wildcard = makeJob({ name: 'wild', domain: '*.Example.com', extraDomainNames: ['bücher.example'] })
  const paths = pathsOf({ state: temporaryDir(t), runtime: '/run/acme', jobs: '/jobs' }, wildcard)
  assert.equal(basename(paths.key), '_.Example.com.key')
  const held = await makeSet({ names: ['*.EXAMPLE.com', 'xn--bcher-kva.example'] })
  writeCertificate(paths, wildcard, held)
  const { candidate } = readState(paths)
  assert.ok(candidate.kind === 'usable')
  assert.deepEqual(candidate.facts.names, wildcard.names)
})

test('nothing there at all: missing, no account, no hash, no memory, no advice', (t) => {
  const dir = temporaryDir(t)
  const got = readState(pathsOf({ state: join(dir, 'none'), runtime: dir, jobs: dir }, job))
  assert.deepEqual(got, {
    candidate: { kind: 'missing', what: 'certificate and key' },
    account: 'missing',
    domainHash: undefined,
    memory: emptyMemory,
    kept: { kind: 'known', watch: {} },
    advice: undefined,
  })
})

for (const [what, remove] of [
  ['certificate', ['certificate']],
  ['key', ['key']],
  ['certificate and key', ['certificate', 'key']],
  ['usable', ['issuer', 'resource']],
] as const)
  test(`without ${remove.join(' and ')}: ${what}`, (t) => {
    const paths = inOrder(t)
    for (const name of remove) fs.rmSync(paths[name])
    assert.equal(whatOf(readState(paths)), what)
  })

test('spellings of other tools are the same certificate: CRLF, PKCS #8, comments, the root too, further blocks', async (t) => {
  const paths = inOrder(t)
  const crlf = (text: string) => text.replaceAll('\n', '\r\n')
  const pkcs8 = createPrivateKey(set.key).export({ type: 'pkcs8', format: 'pem' }).toString()
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  for (const [key, fullchain] of [
    [crlf(set.key), crlf(set.fullchain)],
    [pkcs8, set.chain.join('\n')],
    [parameters + set.key, set.fullchain + (await rootPem())],
    [set.key, `subject=example.com\n${set.fullchain}${parameters}`],
  ] as const) {
    writeCertificate(paths, job, { ...set, key, fullchain })
    const { candidate } = readState(paths)
    assert.ok(candidate.kind === 'usable', whatOf(readState(paths)))
    assert.deepEqual(candidate.facts.names, names)
    assert.equal(candidate.set.fullchain, fullchain, 'installed as it was found')
  }
})

test('an RSA certificate as lego writes it', async (t) => {
  const paths = inOrder(t)
  writeCertificate(paths, job, await makeSet({ names, keyType: 'rsa2048' }))
  assert.equal(whatOf(readState(paths)), 'usable')
})

test('cut anywhere, a key or certificate file is unusable: in the leaf, in its chain, in the line of a marker', (t) => {
  const paths = inOrder(t)
  const leafEnd = set.chain[0]?.length ?? 0
  for (const [path, text] of [
    [paths.certificate, set.fullchain],
    [paths.key, set.key],
  ] as const) {
    for (let length = 0; length < text.length - 1; length += 11) {
      // Between two blocks nothing shows a cut: lego writes leaves alone too (--no-bundle).
      if (path === paths.certificate && Math.abs(length - leafEnd) <= 1) continue
      fs.writeFileSync(path, text.slice(0, length))
      const { candidate } = readState(paths)
      assert.equal(candidate.kind, 'unusable', `${basename(path)} at ${length}`)
    }
    fs.writeFileSync(path, text)
  }
})

test("a cut or empty issuer file does not reach services: the chain of '.crt' stands in", (t) => {
  const paths = inOrder(t)
  for (const text of ['', set.issuers.slice(0, 99), set.issuers.slice(0, -9), 'no PEM']) {
    fs.writeFileSync(paths.issuer, text)
    const { candidate } = readState(paths)
    assert.ok(candidate.kind === 'usable')
    assert.equal(candidate.set.issuers, set.issuers)
  }
  fs.rmSync(paths.issuer)
  const { candidate } = readState(paths)
  assert.ok(candidate.kind === 'usable')
  assert.equal(candidate.set.issuers, set.issuers)
})

test('the key of another certificate, and files that hold something else', async (t) => {
  const paths = inOrder(t)
  fs.writeFileSync(paths.key, (await foreignKey(set)).key)
  assert.equal(whatOf(readState(paths)), 'the key is not the one of the certificate')
  fs.writeFileSync(paths.key, set.fullchain)
  assert.match(whatOf(readState(paths)), /^the key is damaged/)
  fs.writeFileSync(paths.key, set.key)
  for (const text of ['', '\0'.repeat(4096), 'not a certificate', set.key]) {
    fs.writeFileSync(paths.certificate, text)
    assert.equal(whatOf(readState(paths)), 'the certificate is damaged or cut short')
  }
})

test('whatever is wrong with a key, the reason has nothing of it and is one line', (t) => {
  const paths = inOrder(t)
  const secret = set.key.split('\n')[1] ?? ''
  for (const text of [
    set.key.slice(0, 120),
    `-----BEGIN EC PRIVATE KEY-----\n${secret}\n-----END EC PRIVATE KEY-----\n`,
  ]) {
    fs.writeFileSync(paths.key, text)
    const what = whatOf(readState(paths))
    assert.ok(!what.includes(secret.slice(0, 20)))
    assert.doesNotMatch(what, /\n/)
  }
})

for (const name of ['key', 'certificate', 'domainHash', 'memory', 'accountJson'] as const)
  test(`a folder in the place of ${name}: told by its path, 65`, (t) => {
    const paths = inOrder(t)
    fs.rmSync(paths[name], { force: true })
    fs.mkdirSync(paths[name])
    assert.throws(() => readState(paths), fails('data', paths[name]))
  })

for (const name of ['key', 'certificate', 'domainHash', 'memory', 'accountJson'] as const)
  test(`${name} that may not be read: no permission (77), and not taken for a missing one`, (t) => {
    const paths = inOrder(t)
    writeMemory(paths, { version: 1 })
    fs.chmodSync(paths[name], 0)
    // Root may read everything: be nobody for the moment, in folders that everybody may enter.
    const isRoot = process.geteuid?.() === 0
    if (isRoot) fs.chmodSync(dirname(dirname(dirname(paths.certificates))), 0o755)
    if (isRoot)
      for (const path of [
        paths.key,
        paths.certificate,
        paths.issuer,
        paths.domainHash,
        paths.memory,
        paths.accountJson,
      ])
        if (path !== paths[name]) fs.chmodSync(path, 0o644)
    if (isRoot) process.seteuid?.(65534)
    try {
      assert.throws(() => readState(paths), fails('permission', paths[name]))
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

test('a set on its way is the state at every step of its move, and an unfinished one is not', async (t) => {
  const paths = inOrder(t)
  const fresh = await makeSet({ names })
  const next = { ...paths, ...pathsIn(paths, pendingDir(paths)) }
  fs.mkdirSync(`${pendingDir(paths)}.1.tmp`)
  fs.writeFileSync(join(`${pendingDir(paths)}.1.tmp`, basename(paths.key)), fresh.key)
  assert.deepEqual(shown(paths), [set.fullchain, job.domainHash], 'an unfinished one')
  writeCertificate(next, job, fresh, 'new')
  for (const path of [undefined, 'key', 'issuer', 'resource', 'certificate', 'domainHash'] as const) {
    if (path) fs.renameSync(next[path], paths[path])
    assert.deepEqual(shown(paths), [fresh.fullchain, 'new'], `after ${path}`)
  }
})

function shown(paths: CertPaths): unknown[] {
  const { candidate, domainHash } = readState(paths)
  return [candidate.kind === 'usable' ? candidate.set.fullchain : candidate.kind, domainHash]
}

function pathsIn(paths: CertPaths, dir: string) {
  const { key, certificate, issuer, resource, domainHash } = paths
  return Object.fromEntries(
    Object.entries({ key, certificate, issuer, resource, domainHash }).map(([k, path]) => [
      k,
      join(dir, basename(path)),
    ]),
  )
}

test('reading leaves every file and folder as it was', (t) => {
  const paths = inOrder(t)
  fs.writeFileSync(paths.certificate, assemble('', [set.chain[0] ?? '']).fullchain.slice(0, 100))
  const root = dirname(paths.lego)
  const look = () =>
    fs.readdirSync(root, { recursive: true }).map((name) => {
      const { mtimeMs, size, mode } = fs.lstatSync(join(root, String(name)))
      return [String(name), mtimeMs, size, mode]
    })
  const before = look()
  readState(paths)
  assert.deepEqual(look(), before)
})
