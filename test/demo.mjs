// `npm run demo`: the life of one certificate with the real command and a small CA of our own, from a fresh clone, as root
// or not, in less than a minute. Each step is checked by the program's own --json, the CA's count of requests and the
// certificate that is installed afterwards; the first thing that is not as told ends the demo with status 1.
// Everything lies in one temporary folder, which goes at the end, on Ctrl-C too.
import { constants } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertWhole, installed, printTree } from './demo/files.mjs'
import { prepare } from './demo/packages.mjs'
import { openStage } from './demo/stage.mjs'
import { added, explain, headline, proven, say, shown } from './demo/voice.mjs'
import { isThere, parts } from './parts/find.mjs'

const cert = 'example.com'
const extra = 'www.example.com'
/** Seconds that the CA's short certificates live; they are due after half of that. */
const shortLife = 16
const day = 86_400

function configFor({ ca, webroot }) {
  const asRoot = process.geteuid() === 0
  return `${[
    'acceptTerms = true',
    ...(asRoot ? ['useRoot = true    # without a user acme'] : []),
    '[defaults]',
    'email = "hostmaster@example.com"',
    ...(asRoot ? ['group = "root"'] : []),
    `server = "${ca.directoryUrl}"`,
    `caCertificates = ["${ca.rootPem}"]`,
    `webroot = "${webroot}"`,
    `[certs."${cert}"]`,
    `postRun = 'echo "hook: new certificate for $NIXACME_NAMES"'`,
  ].join('\n')}\n`
}

function assert(holds, message) {
  if (!holds) throw new Error(message)
}

/** Renews, and checks that exactly `action` was done: plan and renew agree, on the number of requests too. */
async function renew(stage, action) {
  const out = join(stage.state, cert)
  const [planned] = await stage.json('plan', cert)
  assert(planned?.action === action, `plan --json says '${planned?.action}', expected '${action}'`)
  const [before, requestsBefore] = [installed(out)?.fingerprint256, await stage.caRequests()]
  await stage.nixacme('renew', cert)
  const [after, requests] = [installed(out)?.fingerprint256, (await stage.caRequests()) - requestsBefore]
  assert(after !== undefined, 'no certificate is installed')
  assert(
    (after !== before) === (action !== 'skip'),
    `after '${action}' the certificate ${after === before ? 'is the old one' : 'is another one'}`,
  )
  assert(requests === planned.caRequests, `the CA had ${requests} requests, plan said ${planned.caRequests}`)
  const [next] = await stage.json('plan', cert)
  proven(
    `${action}: ${requests} requests to the CA, as planned${action === 'skip' ? '' : '; a new certificate is installed'}`,
  )
  return next
}

async function story(stage, signal) {
  headline('The config')
  explain(`nixacme is 'node bin/nixacme.js'; nothing outside of ${stage.dir} is touched`)
  for (const [name, value] of Object.entries(stage.places)) shown(`export ${name}=${value}`)
  const config = configFor(stage)
  stage.writeConfig(config)
  shown('cat $NIXACME_CONFIG')
  say(config.trimEnd())
  await stage.nixacme('check')
  await stage.nixacme('apply')

  headline('run: there is no certificate yet')
  await stage.nixacme('plan')
  await renew(stage, 'run')

  headline('skip: nothing is due, so no socket is opened')
  await renew(stage, 'skip')

  headline('force-renew: a name is added')
  const line = `extraDomainNames = ["${extra}"]`
  stage.writeConfig(`${config}${line}\n`)
  explain('the config gets one more line')
  added(line)
  await stage.nixacme('apply')
  await stage.nixacme('plan')
  explain(`from now on the CA gives certificates that live ${shortLife} seconds`)
  await stage.setCa({ lifetime: { seconds: shortLife } })
  const { dueAt } = await renew(stage, 'force-renew')

  headline('renew: half of its lifetime is over')
  explain(`waiting until it is due at ${dueAt.slice(11, 19)} UTC`)
  await sleep(Math.max(0, Date.parse(dueAt) - Date.now()) + 100, undefined, { signal })
  await stage.nixacme('plan')
  explain('the CA is back to 90 days')
  await stage.setCa({ lifetime: { seconds: 90 * day } })
  await renew(stage, 'renew')

  headline('The files')
  shown('cd $NIXACME_STATE_DIR')
  printTree(stage.state)
  assertWhole(join(stage.state, cert), stage.ca.issuerRootPem, [cert, extra])
  proven("key.pem is the key of cert.pem, the chain leads to the CA's root, full.pem is key and chain")

  headline('What openssl says of them')
  const root = stage.ca.issuerRootPem
  const views = [
    ['x509', '-noout', '-subject', '-issuer', '-dates', '-ext', 'subjectAltName', '-in', `${cert}/cert.pem`],
    ['verify', '-CAfile', root, '-untrusted', `${cert}/chain.pem`, `${cert}/cert.pem`],
    ['pkey', '-noout', '-check', '-in', `${cert}/key.pem`],
  ]
  if (!isThere('openssl')) return explain(`openssl is missing: ${parts.openssl.install}`)
  for (const view of views) assert((await stage.show('openssl', view)) === 0, `'openssl ${view[0]}' failed`)
}

async function main(signal) {
  const start = performance.now()
  await prepare(signal)
  const stage = await openStage(signal)
  try {
    await story(stage, signal)
  } finally {
    await stage.close()
  }
  say(`\nAll as told, in ${Math.round((performance.now() - start) / 1000)} seconds; ${stage.dir} is gone.`)
}

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => stop.abort(name))
try {
  await main(stop.signal)
} catch (e) {
  const { aborted, reason } = stop.signal
  console.error(aborted ? `demo: stopped by ${reason}` : `demo: ${e.message}`)
  process.exitCode = aborted ? 128 + constants.signals[reason] : 1
}
