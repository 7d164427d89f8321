// The names of files under `.lego` are those that lego itself gives, for IP addresses too.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { keyName } from '../../src/job/identity.ts'
import { startPebble } from '../support/pebble.ts'
import { run, temporaryDir } from '../support/process.ts'
import { needsLego, newerLego } from './nixos.ts'

// The system's own may be so old that it orders an IP address as if it were a DNS name.
for (const domain of ['2001:db8::1', '192.0.2.1'])
  test(`${newerLego.name} names the files of '${domain}' as we do`, async (t) => {
    if (!needsLego(t, newerLego)) return
    const ca = await startPebble({ env: { PEBBLE_VA_ALWAYS_VALID: '1' } })
    t.after(() => ca.stop())
    const dir = temporaryDir(t, 'nixacme-lego')
    const webroot = join(dir, 'www')
    mkdirSync(webroot)
    const words = ['--accept-tos', '--path', dir, '--server', ca.directoryUrl, '--email', 'admin@example.com']
    const challenge = ['--http', '--http.webroot', webroot]
    const { status, stderr } = await run(newerLego.command, [...words, ...challenge, '-d', domain, 'run'], {
      env: { LEGO_CA_CERTIFICATES: ca.tlsRoot },
    })
    assert.equal(status, 0, stderr)
    const stem = keyName(domain)
    const wanted = ['crt', 'issuer.crt', 'json', 'key'].map((ending) => `${stem}.${ending}`)
    assert.deepEqual(readdirSync(join(dir, 'certificates')).sort(), wanted)
  })
