// An order at a CA that does what the test tells it: what is presented and answered when, and what is left behind.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { issue } from '../../src/acme/issue.ts'
import { AcmeProblem } from '../../src/acme/problem.ts'
import { at, authorization, type Behaviour, type FakeCa, html, order, problem, startFakeCa } from './fake-ca.ts'
import { bench, failureOf, folder } from './request.ts'

test('a token that leads out of the folder: refused, nothing is written or answered', async (t) => {
  const ca = await startFakeCa(t, (call) =>
    call.path.startsWith('/authz/') && call.payload === undefined
      ? { body: authorization(call, 'pending', { token: '../../x' }) }
      : undefined,
  )
  const { req, webroot, challengeFiles } = bench(t, ca.directoryUrl)
  const e = await failureOf(issue(req))
  assert.equal(e.exitStatus, 76)
  assert.deepEqual(challengeFiles(), [])
  assert.ok(!existsSync(join(webroot, 'x')))
  assert.deepEqual(
    ca.calls.filter(({ path }) => path.startsWith('/challenge/')),
    [],
  )
})

test('no http-01 on offer: refused, saying what there is', async (t) => {
  const ca = await startFakeCa(t, (call) =>
    call.path.startsWith('/authz/') ? { body: authorization(call, 'pending', { type: 'dns-01' }) } : undefined,
  )
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.equal(e.exitStatus, 76)
  assert.match(e.message, /no http-01 challenge for 'a.example', only: dns-persist-01, dns-01/)
})

test('all challenges are readable before the first is answered, and gone in the end', async (t) => {
  const seen: string[][] = []
  let webroot = ''
  const ca = await startFakeCa(t, ({ path, header, payload }) => {
    if (!path.startsWith('/challenge/')) return undefined
    const dir = join(webroot, '.well-known/acme-challenge')
    seen.push(['token-0', 'token-1'].map((token) => readFileSync(join(dir, token), 'utf8').split('.')[0] ?? ''))
    assert.equal(statSync(join(dir, 'token-0')).mode & 0o777, 0o644)
    assert.deepEqual(payload, {})
    assert.match(String(header['kid']), /\/account\/1$/)
    return undefined
  })
  const b = bench(t, ca.directoryUrl)
  webroot = b.webroot
  await failureOf(issue(b.req))
  assert.deepEqual(seen, Array(2).fill(['token-0', 'token-1']))
  assert.deepEqual(b.challengeFiles(), [])
})

/** The authorizations that were given back. */
const deactivated = ({ calls }: FakeCa): string[] =>
  calls
    .filter(({ payload }) => (payload as { status?: string } | undefined)?.status === 'deactivated')
    .map((c) => c.path)

const pending: Behaviour = at('/order/1', (c) => ({ body: order(c, 'pending') }))

test('failed names: one problem for all of them, a hint line each', async (t) => {
  const reasons = [problem('unauthorized', 'wrong text').body, problem('dns', 'no such name').body]
  const ca = await startFakeCa(t, (call) => {
    if (call.path === '/order/1') return { body: order(call, 'invalid') }
    // The second name is decided later than the order is: its reason must not be lost.
    if (call.path === '/authz/0' && call.count > 1)
      return { body: authorization(call, 'invalid', { error: reasons[0] }) }
    if (call.path === '/authz/1' && call.count > 2)
      return { body: authorization(call, 'invalid', { error: reasons[1] }) }
    return undefined
  })
  const { req, challengeFiles } = bench(t, ca.directoryUrl)
  const e = await failureOf(issue(req))
  assert.ok(e instanceof AcmeProblem)
  assert.equal(e.exitStatus, 76)
  assert.equal(e.type, 'urn:ietf:params:acme:error:compound')
  assert.deepEqual(
    e.subproblems.map(({ name, type }) => [name, type.split(':').pop()]),
    [
      ['a.example', 'unauthorized'],
      ['b.example', 'dns'],
    ],
  )
  assert.deepEqual(e.hints.slice(0, 2), ['a.example: unauthorized: wrong text', 'b.example: dns: no such name'])
  assert.deepEqual(challengeFiles(), [])
})

test('a signal in mid-request ends it at once', async (t) => {
  const stop = new AbortController()
  const ca = await startFakeCa(
    t,
    at('/dir', () => {
      setImmediate(() => stop.abort('SIGTERM'))
      return 'hang'
    }),
  )
  const e = await failureOf(issue(bench(t, ca.directoryUrl, { signal: stop.signal }).req))
  assert.equal(e.exitStatus, 75)
  assert.match(e.message, /SIGTERM/)
})

test('a signal in mid-order: challenges are gone, the CA decides what it was asked to', async (t) => {
  const stop = new AbortController()
  const ca = await startFakeCa(t, (call) => {
    if (call.path === '/order/1') setImmediate(() => stop.abort('SIGTERM'))
    return pending(call)
  })
  const { req, challengeFiles } = bench(t, ca.directoryUrl, { signal: stop.signal })
  const e = await failureOf(issue(req))
  assert.equal(e.exitStatus, 75)
  assert.deepEqual(challengeFiles(), [])
  assert.deepEqual(deactivated(ca), [])
})

test('a failure before the answers: the authorizations are given back', async (t) => {
  const ca = await startFakeCa(t, (call) =>
    call.path === '/authz/1' && call.count === 1
      ? { body: authorization(call, 'pending', { type: 'dns-01' }) }
      : undefined,
  )
  const { req, challengeFiles } = bench(t, ca.directoryUrl)
  assert.equal((await failureOf(issue(req))).exitStatus, 76)
  assert.deepEqual(deactivated(ca).sort(), ['/authz/0', '/authz/1'])
  assert.deepEqual(challengeFiles(), [])
})

test('a signal before the answers: the authorizations stay for the next run', async (t) => {
  const stop = new AbortController()
  const ca = await startFakeCa(t, (call) => {
    if (call.path !== '/authz/1') return undefined
    setImmediate(() => stop.abort('SIGTERM'))
    return 'hang'
  })
  const { req, challengeFiles } = bench(t, ca.directoryUrl, { signal: stop.signal })
  assert.equal((await failureOf(issue(req))).exitStatus, 75)
  assert.deepEqual(deactivated(ca), [])
  assert.deepEqual(challengeFiles(), [])
})

test('a farewell that is not answered takes three seconds, not more', async (t) => {
  const ca = await startFakeCa(t, (call) => {
    if (call.path !== '/authz/1') return undefined
    return call.count === 1 ? { body: authorization(call, 'pending', { type: 'dns-01' }) } : 'hang'
  })
  const { req } = bench(t, ca.directoryUrl, { deadlineSeconds: 20 })
  assert.equal((await failureOf(issue(req))).exitStatus, 76)
  assert.deepEqual(deactivated(ca).sort(), ['/authz/0', '/authz/1'])
})

test('an answer that got lost: the challenge that the CA looks at already is not refused', async (t) => {
  const ca = await startFakeCa(t, (call) => {
    if (call.path === '/challenge/0') return call.count === 1 ? 'reset' : problem('malformed', 'it is processing')
    if (call.path === '/authz/0' && call.count > 1)
      return { body: authorization(call, 'pending', { status: 'processing' }) }
    return undefined
  })
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  // It got as far as the download, which this CA has no certificate for.
  assert.match(e.message, /issued .* not have it ready/)
})

test('an answer that the CA refuses is a refusal', async (t) => {
  const ca = await startFakeCa(t, at('/challenge/0', problem('malformed', 'no')))
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.match(e.message, /^the CA refused the challenge for 'a.example': malformed: no$/)
})

test('a signal that was there before: nothing is sent, nothing made', async (t) => {
  const ca = await startFakeCa(t)
  const { req, webroot } = bench(t, ca.directoryUrl, { signal: AbortSignal.abort('SIGINT') })
  assert.equal((await failureOf(issue(req))).exitStatus, 75)
  assert.deepEqual(ca.calls, [])
  assert.ok(!existsSync(webroot))
})

test('an order that is never decided ends with the deadline: unavailable, cleaned up', async (t) => {
  const ca = await startFakeCa(t, pending)
  const { req, challengeFiles } = bench(t, ca.directoryUrl, { deadlineSeconds: 0.6 })
  const e = await failureOf(issue(req))
  assert.equal(e.exitStatus, 69)
  assert.match(e.message, /took longer than 0.6 s$/)
  assert.deepEqual(challengeFiles(), [])
})

test('a CA that talks nonsense in mid-order is left in peace', async (t) => {
  const ca = await startFakeCa(t, at('/authz/1', html))
  await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.deepEqual(deactivated(ca), [])
})

function foreignCertificate(dir: string): string {
  const out = ['-keyout', join(dir, 'k.pem'), '-out', join(dir, 'c.pem')]
  const names = ['-addext', 'subjectAltName=DNS:a.example,DNS:b.example']
  const args = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    ...out,
    '-days',
    '3',
    '-subj',
    '/CN=a.example',
    ...names,
  ]
  execFileSync('openssl', args, { stdio: 'ignore' })
  return readFileSync(join(dir, 'c.pem'), 'utf8')
}

test('404 for the certificate: the download is repeated, not the order; one of another key is refused', async (t) => {
  const body = foreignCertificate(folder(t))
  const ca = await startFakeCa(t, ({ path, count }) => {
    if (path !== '/certificate') return undefined
    if (count === 1) return { ...problem('malformed', 'certificate not found'), status: 404 }
    return { headers: { 'content-type': 'application/pem-certificate-chain' }, body }
  })
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.equal(e.exitStatus, 76, e.message)
  assert.match(e.message, /key/)
  const count = (line: string) => ca.log().filter((l) => l === line).length
  assert.deepEqual([count('POST /certificate'), count('POST /order'), count('POST /finalize')], [2, 1, 1])
})

test('a finalise whose answer got lost goes on with the order as it is', async (t) => {
  const ca = await startFakeCa(t, (call) => {
    if (call.path === '/finalize') return call.count === 1 ? 'reset' : problem('orderNotReady', 'it is processing')
    const asked = call.path === '/order/1' && call.count > 1
    return asked ? { body: order(call, 'valid', { certificate: call.url('/certificate') }) } : undefined
  })
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  // It got as far as the download, which this CA has no certificate for.
  assert.match(e.message, /issued .* not have it ready/)
})

test('an order that is invalid in the end keeps the problem of the CA', async (t) => {
  const error = problem('caa', 'forbidden by CAA').body
  const ca = await startFakeCa(
    t,
    at('/finalize', (c) => ({ body: order(c, 'invalid', { error }) })),
  )
  const e = await failureOf(issue(bench(t, ca.directoryUrl).req))
  assert.ok(e instanceof AcmeProblem && e.type.endsWith(':caa'))
  assert.equal(e.exitStatus, 76)
})

test('an account that the CA does not know is registered again with its key, with a warning', async (t) => {
  let accounts = 1
  const ca = await startFakeCa(t, ({ path, header, url }) => {
    if (path === '/account')
      return { status: 201, headers: { location: url(`/account/${++accounts}`) }, body: { status: 'valid' } }
    const lost = path === '/order' && String(header['kid']).endsWith('/account/2')
    if (lost) return problem('accountDoesNotExist', 'who are you')
    return path === '/order' ? problem('rejectedIdentifier', 'no') : undefined
  })
  const { req, log } = bench(t, ca.directoryUrl)
  const e = await failureOf(issue(req))
  assert.match(e.message, /rejectedIdentifier/)
  assert.match(readFileSync(req.account.json, 'utf8'), /account\/3"/)
  assert.match(readFileSync(`${req.account.json}.old`, 'utf8'), /account\/2"/)
  assert.equal(log.lines.filter((line) => line.startsWith('warning: the CA does not know account')).length, 1)
  const keys = ca.calls.filter(({ path }) => path === '/account').map(({ header }) => JSON.stringify(header['jwk']))
  assert.equal(keys[0], keys[1])
})

test('a webroot that cannot be: nothing is sent', async (t) => {
  const ca = await startFakeCa(t)
  const { req, webroot } = bench(t, ca.directoryUrl)
  writeFileSync(webroot, 'a file')
  const e = await failureOf(issue(req))
  assert.equal(e.exitStatus, 73)
  assert.match(e.hints.join('\n'), /group 'acme' may write/)
  assert.deepEqual(ca.calls, [])
})

test('a hundred names: at most eight requests are under way, and few nonces are fetched', async (t) => {
  const many = Array.from({ length: 100 }, (_, i) => `n${i}.example`)
  const ca = await startFakeCa(t, (call) => {
    const i = Number(call.path.split('/').pop())
    if (call.path.startsWith('/authz/') && call.payload === undefined) {
      const challenges = [{ type: 'http-01', url: call.url(`/challenge/${i}`), token: `token-${i}` }]
      return { body: { status: 'pending', identifier: { type: 'dns', value: many[i] }, challenges } }
    }
    const placed = order(call, 'pending', { authorizations: many.map((_, n) => call.url(`/authz/${n}`)) })
    return call.path === '/order'
      ? { status: 201, headers: { location: call.url('/order/1') }, body: placed }
      : undefined
  })
  await failureOf(issue(bench(t, ca.directoryUrl, { names: many }).req))
  const heads = ca.log().filter((line) => line.startsWith('HEAD')).length
  assert.ok(heads <= 8, `${heads} nonces fetched`)
  assert.equal(ca.log().filter((line) => line.startsWith('POST /challenge/')).length, 100)
})
