// A machine without systemd: user acme made by hand, and the shipped crontab run by the real cron, every minute instead of
// four times a day.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { serve, startPebble } from '../support/pebble.ts'
import { start } from '../support/process.ts'
import { challengeRoot, configure, installed, nixacme, ok, stateDir, untilTrue } from './machine.ts'

const certs = ['cron.example', 'also-cron.example']
const shipped = '/usr/local/lib/node_modules/nixacme/units/nixacme.cron'

const caRoot = '/etc/pebble.pem'
const mails = '/run/mails'
/** One line a run that has ended: its status. */
const runs = '/run/runs'

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []

/** The shipped crontab, but each minute and without its random pause; every run leaves a line. */
function crontab(): string {
  const text = readFileSync(shipped, 'utf8')
  const quick = text.replace('17 */6 * * *', '* * * * *').replace('0-1799', '0-0')
  assert.notEqual(quick, text)
  assert.match(quick, /^\* \* \* \* \* root sleep "\$\(shuf -i 0-0 -n 1\)" && nixacme --quiet renew --all$/m)
  // The other line would come in between, and has nothing to do here.
  return quick.replace(/(renew --all)\n[\s\S]*$/, `$1; echo $? >>${runs}\n`)
}

/** cron mails what a job writes: kept here, one file for all. */
function keepMails(): void {
  writeFileSync('/usr/sbin/sendmail', `#!/bin/sh\ncat >>${mails}\n`)
  chmodSync('/usr/sbin/sendmail', 0o755)
}

test('without systemd', async (t) => {
  const ca = await startPebble()
  t.after(() => ca.stop())
  // Pebble's own folder is root's alone.
  copyFileSync(ca.tlsRoot, caRoot)
  const web = await serve(challengeRoot, ca.httpPort)
  t.after(() => web.stop())
  const home = ['--home-dir', stateDir, '--shell', '/usr/sbin/nologin', '--user-group']
  await ok('useradd', '--system', ...home, 'acme')
  const defaults = {
    email: 'admin@example.com',
    server: ca.directoryUrl,
    webroot: challengeRoot,
    caCertificates: [caRoot],
  }
  configure({ defaults, certs: Object.fromEntries(certs.map((cert) => [cert, {}])) })

  await t.test('apply compiles the jobs', async () => {
    const { status, stdout, stderr } = await nixacme('apply')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /2 added/)
  })

  await t.test('cron gets the certificates, and mails that there are new ones', async () => {
    keepMails()
    writeFileSync('/etc/cron.d/nixacme', crontab(), { mode: 0o644 })
    const cron = start('cron', ['-f'], { timeoutMs: 200_000 })
    t.after(() => cron.end('SIGKILL'))
    await untilTrue('cron has run the line once', () => linesOf(runs).length > 0, 90)
    await untilTrue('a mail has come', () => existsSync(mails))
    assert.deepEqual(linesOf(runs), ['0'], readFileSync(mails, 'utf8'))
    for (const cert of certs) {
      const { names } = installed(cert)
      assert.deepEqual(names, [cert])
      assert.equal((await ok('stat', '-L', '-c', '%U:%G %a', `${stateDir}/${cert}/key.pem`)).trim(), 'acme:acme 640')
    }
    for (const cert of certs)
      assert.match(readFileSync(mails, 'utf8'), new RegExp(`${cert}: installed new certificate`))
  })

  await t.test('the next run asks the CA nothing and sends no mail', async () => {
    const before = { mails: readFileSync(mails, 'utf8'), log: ca.log() }
    await untilTrue('cron has run the line once more', () => linesOf(runs).length > 1, 90)
    assert.deepEqual(linesOf(runs), ['0', '0'])
    assert.deepEqual({ mails: readFileSync(mails, 'utf8'), log: ca.log() }, before)
  })
})
