// Compiling configs to jobs, and reading job files back, good and bad.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { type CertConfig, letsEncrypt } from '../../src/config/config.ts'
import { type ErrorKind, NixacmeError } from '../../src/errors.ts'
import { compile } from '../../src/job/compile.ts'
import { type Job, type JobServer, jobVersion, pathsOf, readJob, renderJob } from '../../src/job/job.ts'
import { jobPath, noEmail, type Roots } from '../../src/job/paths.ts'
import { certConfig, config, withRoots } from './support.ts'

const cert = 'x.test'
const theJob = (): Job => {
  const [job] = compile(config([certConfig({ name: cert })]))
  assert.ok(job)
  return job
}

/** Freezes all the way down, so that a write would throw. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null)
    for (const inner of Object.values(Object.freeze(value))) frozen(inner)
  return value
}

test('compile is pure: the same jobs each time, in byte order, whatever the order of the certificates', () => {
  const certs = ['é.test', 'b.test', 'Z.test', 'a.test'].map((name) => certConfig({ name }))
  const some = frozen(config(certs, { maxConcurrentRenewals: 3 }))
  const jobs = compile(some)
  assert.deepEqual(
    jobs.map((job) => [job.cert, job.lock.home]),
    [
      ['Z.test', 1],
      ['a.test', 2],
      ['b.test', 3],
      ['é.test', 1],
    ],
  )
  assert.deepEqual(compile(some), jobs)
  assert.deepEqual(compile({ ...some, certs: [...certs].reverse() }), jobs)
})

test('no certificate, no job', () => assert.deepEqual(compile(config([])), []))

test('names are A-labels without duplicates, hashes are of the strings as written', () => {
  const of = (domain: string, ...extraDomainNames: string[]) =>
    compile(config([certConfig({ name: cert, domain, extraDomainNames })]))[0]
  const unicode = of('*.Bücher.example', 'bücher.example', 'xn--bcher-kva.example')
  const ascii = of('*.xn--bcher-kva.example', 'xn--bcher-kva.example')
  assert.deepEqual(unicode?.names, ['*.xn--bcher-kva.example', 'xn--bcher-kva.example'])
  assert.deepEqual(ascii?.names, unicode?.names)
  assert.notEqual(ascii?.domainHash, unicode?.domainHash)
  assert.equal(unicode?.keyName, '_.Bücher.example')
})

test('no server is the production server of Let’s Encrypt, but hashed as none', () => {
  const explicit = compile(config([certConfig({ name: cert, server: letsEncrypt })]))[0]
  for (const server of [null, '']) {
    const [job] = compile(config([certConfig({ name: cert, server })]))
    assert.equal(job?.servers[0].directoryUrl, letsEncrypt)
    assert.equal(job?.servers[0].hashes.account, '1ccf607d9aa280e9af00')
    assert.notEqual(job?.servers[0].hashes.account, explicit?.servers[0].hashes.account)
    assert.notEqual(job?.servers[0].hashes.certDir, explicit?.servers[0].hashes.certDir)
  }
})

test('each CA has an account and a folder of its own, and the first those that it would have alone', () => {
  const urls = ['https://a.test/dir', 'https://b.test/dir']
  const of = (change: Partial<CertConfig>): readonly JobServer[] =>
    compile(config([certConfig({ name: cert, ...change })]))[0]?.servers ?? []
  const several = of({ servers: urls, server: urls[0] ?? null })
  assert.deepEqual(
    several.map(({ directoryUrl }) => directoryUrl),
    urls,
  )
  assert.deepEqual(
    several,
    urls.flatMap((server) => of({ server })),
  )
  assert.equal(new Set(several.flatMap(({ hashes }) => [hashes.account, hashes.certDir])).size, 4)
})

test('an account without e-mail lies under the placeholder', () =>
  withRoots((roots) => {
    for (const email of [null, '']) {
      const [job] = compile(config([certConfig({ name: cert, email })]))
      assert.ok(job)
      assert.equal(job.email, null)
      assert.ok(pathsOf(roots, job).accountKey.endsWith(`/acme-v02.api.letsencrypt.org/${noEmail}/keys/${noEmail}.key`))
    }
  }))

for (const limit of [0, -2])
  test(`limit ${limit}: no home slot, no slots`, () => {
    const [job] = compile(config([certConfig({ name: cert })], { maxConcurrentRenewals: limit }))
    assert.deepEqual(job?.lock, { home: null, slots: 0, policy: 'home', timeout: null })
  })

/** Puts `text` where the job of `cert` is read from. */
function place(roots: Roots, text: string | Uint8Array): void {
  mkdirSync(roots.jobs, { recursive: true })
  writeFileSync(jobPath(roots, cert), text)
}

test('what is written is what is read', () =>
  withRoots((roots) => {
    const full = certConfig({
      name: cert,
      domain: '*.bücher.example',
      extraDomainNames: ['a.example'],
      server: 'https://ca.example:14000/dir',
      email: null,
      validMinDays: 7,
      postRun: 'systemctl restart "a b"\n# \u2028 \u0000 \\',
      reloadServices: ['nginx.service'],
      caCertificates: ['/etc/ssl/ca.pem'],
      profiles: ['short', 'long'],
      profilePolicy: 'preferred',
      csr: { request: '/etc/x.csr', key: '/etc/x.key' },
      preferredChain: 'Root X1',
      notAfter: 604_800,
      keyReuse: true,
      ocspMustStaple: true,
    })
    const options = { lockPolicy: 'any', lockTimeout: 90, useRoot: true } as const
    const sources = [
      { path: '/etc/nixacme/config.toml', stamp: '12:34' },
      { path: '/etc/nixacme/config.d', stamp: null },
    ]
    for (const job of compile(config([full], { ...options, sources }))) {
      place(roots, renderJob(job))
      assert.deepEqual(readJob(roots, cert), job)
      assert.ok(renderJob(job).endsWith('}\n'))
    }
  }))

test('no job file, no job', () =>
  withRoots((roots) => {
    assert.equal(readJob(roots, cert), undefined)
    mkdirSync(roots.jobs)
    assert.equal(readJob(roots, cert), undefined)
    assert.deepEqual(readdirSync(roots.jobs), [])
  }))

/** Reading must fail with this kind and words, naming the file. */
function refuses(roots: Roots, kind: ErrorKind, words: RegExp): void {
  assert.throws(
    () => readJob(roots, cert),
    (e) => {
      assert.ok(e instanceof NixacmeError, String(e))
      assert.equal(e.kind, kind)
      assert.match(e.message, words)
      assert.ok(e.message.includes(jobPath(roots, cert)))
      return true
    },
  )
}

for (const [what, text, words] of [
  ['an empty file', '', /is not JSON/],
  ['a cut file', renderJob(theJob()).slice(0, 100), /is not JSON/],
  ['bytes', new Uint8Array([0, 255, 254]), /is not JSON/],
  ['a list', '[]', /holds no object/],
  ['null', 'null', /holds no object/],
  ['foreign JSON', '{"name":"nixacme","version":"0.1.0"}', /version "0.1.0", this nixacme reads 3/],
  ['an empty object', '{}', /has no version/],
  ['a newer version', renderJob({ ...theJob(), version: (jobVersion + 1) as typeof jobVersion }), /has version 4/],
  ['the job of another certificate', renderJob({ ...theJob(), cert: 'y.test' }), /of 'y.test', not of 'x.test'/],
] as const)
  test(`refused: ${what}`, () =>
    withRoots((roots) => {
      place(roots, text)
      refuses(roots, 'data', words)
    }))

test('a field of another type is refused, whichever it is, and so is a missing one', () =>
  withRoots((roots) => {
    const job = theJob()
    const inner = [
      ...Object.keys(job.lock).map((key) => ['lock', { ...job.lock, [key]: {} }] as const),
      ...['account', 'certDir'].map((key) => {
        const [server] = job.servers
        return ['servers', [{ ...server, hashes: { ...server.hashes, [key]: 1 } }]] as const
      }),
      ...['orders', 'validations'].flatMap((key) =>
        [0, undefined].map((count) => {
          const [server] = job.servers
          return ['servers', [{ ...server, limits: { ...server.limits, [key]: count } }]] as const
        }),
      ),
      ['servers', []] as const,
      ['servers', [{ ...job.servers[0], directoryUrl: 'no URL' }]] as const,
      ['csr', { request: '/x.csr' }] as const,
      ['names', []] as const,
      ['names', [1]] as const,
      ['keyName', '../x'] as const,
      ['challenges', []] as const,
      ...[{ kind: 'webroot' }, { kind: 'unknown' }, { kind: 'dns', provider: 1 }, undefined].map(
        (challenge) => ['challenges', [{ names: ['x.test'], challenge }]] as const,
      ),
      ['challenges', [{ challenge: { kind: 'webroot', webroot: '/w' } }]] as const,
      ['sources', [{ path: '/x' }]] as const,
    ]
    const whole = Object.keys(job).flatMap((key) => [[key, { a: 1 }] as const, [key, undefined] as const])
    for (const [key, value] of [...whole, ...inner]) {
      place(roots, JSON.stringify({ ...job, [key]: value }))
      refuses(roots, 'data', key === 'version' ? /has (no )?version/ : new RegExp(`'${key}' is missing or wrong`))
    }
  }))

test('a folder in the place of the job is unreadable data', () =>
  withRoots((roots) => {
    mkdirSync(jobPath(roots, cert), { recursive: true })
    refuses(roots, 'data', /cannot read '.*': is a directory/)
  }))

test('a job that may not be read is a matter of permission', (t) => {
  if (process.geteuid?.() === 0) {
    // Root reads everything: become somebody else for the length of the call.
    const nobody = 65534
    t.after(() => process.seteuid?.(0))
    withRoots((roots, dir) => {
      place(roots, renderJob(theJob()))
      chmodSync(jobPath(roots, cert), 0o600)
      chmodSync(dir, 0o755)
      process.seteuid?.(nobody)
      try {
        refuses(roots, 'permission', /cannot read '.*': permission denied/)
      } finally {
        process.seteuid?.(0)
      }
    })
    return
  }
  withRoots((roots) => {
    place(roots, renderJob(theJob()))
    chmodSync(jobPath(roots, cert), 0)
    refuses(roots, 'permission', /cannot read '.*': permission denied/)
  })
})
