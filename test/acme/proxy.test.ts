import assert from 'node:assert/strict'
import test from 'node:test'
import { proxyFor } from '../../src/acme/proxy.ts'
import { NixacmeError } from '../../src/errors.ts'

const proxied = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env)?.host

const https = { HTTPS_PROXY: 'http://proxy:3128' }

for (const [url, env, proxy] of [
  ['https://ca.example/dir', {}, undefined],
  ['https://ca.example/dir', https, 'proxy:3128'],
  ['https://ca.example/dir', { https_proxy: 'lower:1', HTTPS_PROXY: 'http://upper:1' }, 'lower:1'],
  ['https://ca.example/dir', { HTTP_PROXY: 'http://proxy:3128' }, undefined],
  ['https://localhost/dir', https, undefined],
  ['https://127.0.0.1:14000/dir', https, undefined],
  ['https://[::1]:14000/dir', https, undefined],
] as const)
  test(`${url} with ${JSON.stringify(env)}: ${proxy ?? 'direct'}`, () => assert.equal(proxied(url, env), proxy))

for (const [noProxy, host, exempt] of [
  ['*', 'ca.example', true],
  ['ca.example', 'ca.example', true],
  ['CA.example', 'ca.example', true],
  ['example', 'ca.example', true],
  ['.example', 'ca.example', true],
  ['*.example', 'ca.example', true],
  ['a.example', 'ca.example', false],
  ['other, ca.example', 'ca.example', true],
  ['ca.example:443', 'ca.example', true],
  ['ca.example:8443', 'ca.example', false],
  ['ca.example:8443', 'ca.example:8443', true],
  ['10.0.0.1', '10.0.0.1', true],
  ['10.0.0.0/8', '10.1.2.3', true],
  ['10.0.0.0/8', '11.1.2.3', false],
  ['10.0.0.0/8', 'ca.example', false],
  ['10.0.0.0/99', '10.1.2.3', false],
  ['0.0.1', '10.0.0.1', false],
  ['fd00::/8', '[fd00::1]', true],
  ['[fd00::1]:443', '[fd00::1]', true],
  ['fd00::1', '[fd00::1]', true],
  ['', 'ca.example', false],
] as const)
  test(`NO_PROXY='${noProxy}' ${exempt ? 'exempts' : 'does not exempt'} ${host}`, () =>
    assert.equal(proxied(`https://${host}/`, { ...https, NO_PROXY: noProxy }), exempt ? undefined : 'proxy:3128'))

for (const value of ['socks5://user:secret@proxy:1', 'http://', '://user:secret@'])
  test(`an unusable proxy ${value}: config, and no password in the message`, () =>
    assert.throws(
      () => proxied('https://ca.example/', { HTTPS_PROXY: value }),
      (e) => e instanceof NixacmeError && e.exitStatus === 78 && !`${e.message}${e.hints}`.includes('secret'),
    ))
